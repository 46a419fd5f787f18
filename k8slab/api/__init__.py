"""What an object is: kinds, schema, names, selectors, quantities, defaults, validation, patch, errors. No I/O."""
