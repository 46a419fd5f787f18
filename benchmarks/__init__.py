"""What is measured, and how: `make bench` prints the distribution of each figure, beside what can be compared here."""
