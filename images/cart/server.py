"""A shop with a login and a cart. Where it keeps what it knows of a customer is one switch: STATE.

    memory   in this process: a session, found again by the number in the customer's cookie
    cookie   in the customer's cookie itself, signed with SECRET so that nobody else can write one
    redis    in a Redis that all copies of the shop share (REDIS=host:port), found again by the number in the cookie

    GET /            who you are, what is in your cart, and which pod says so
    POST /login      user=ada            POST /cart       item=tea
    POST /logout                         POST /checkout

Each answer says it as JSON to those who accept it, as a page to browsers, and as lines of text to everybody else.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import signal
import sys
import threading
from collections import Counter
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import redis

STATE = os.environ.get("STATE", "memory")
SECRET = os.environ.get("SECRET", "").encode() or secrets.token_bytes(32)  # without one, each pod signs with its own
NAME = os.environ.get("POD_NAME") or os.environ.get("HOSTNAME", "?")
VERSION = os.environ.get("VERSION", "v1")
HOUR = 3600
GOODS = ("tea", "lamp", "book", "chair")
LARGEST = 4096  # bytes of a form, and what a browser keeps of a cookie


# Where the state lives: each keeper has `load` (the cookie's text -> what is known, and what there is to say) and
# `save` (what is known -> the text for the cookie).


SESSIONS = {}


class Memory:
    """Sessions in this process. They end with it, and no other copy of the shop knows them."""

    def load(self, cookie):
        if cookie in SESSIONS:
            return SESSIONS[cookie], ""
        return {}, "The cookie names a session that this process does not know." if cookie else ""

    def save(self, cookie, known):
        number = cookie if cookie in SESSIONS else secrets.token_urlsafe(9)
        SESSIONS[number] = known
        return number

    def forget(self, cookie):
        SESSIONS.pop(cookie, None)


class Cookie:
    """Everything in the customer's cookie, with a signature. The shop keeps nothing."""

    def load(self, cookie):
        text, _, signature = cookie.rpartition(".")
        if not cookie:
            return {}, ""
        if not hmac.compare_digest(signature.encode(), signed(text).encode()):
            return {}, "The cookie's signature is not from this shop: it is not believed."
        return json.loads(base64.urlsafe_b64decode(text)), ""

    def save(self, cookie, known):
        text = base64.urlsafe_b64encode(json.dumps(known, sort_keys=True).encode()).decode()
        return f"{text}.{signed(text)}"

    def forget(self, cookie):
        pass  # there is nothing to forget: whoever kept a copy of the cookie still has it


class Redis:
    """Sessions in a Redis that every copy of the shop asks."""

    def load(self, cookie):
        kept = redis.get(f"cart:{cookie}") if cookie else None
        if kept is not None:
            return json.loads(kept), ""
        return {}, "The cookie names a session that Redis does not have." if cookie else ""

    def save(self, cookie, known):
        number = cookie if cookie and redis.get(f"cart:{cookie}") is not None else secrets.token_urlsafe(9)
        redis.put(f"cart:{number}", json.dumps(known), HOUR)
        return number

    def forget(self, cookie):
        redis.delete(f"cart:{cookie}")


def signed(text):
    return hmac.new(SECRET, text.encode(), hashlib.sha256).hexdigest()[:32]


KEEPERS = {"memory": Memory, "cookie": Cookie, "redis": Redis}
changing = threading.Lock()  # two requests of one customer at once do not overwrite each other, here at least


# What a customer can do: from what is known and the form, to what is known then. None: nothing is to be kept any more.


def login(known, form):
    return {**known, "user": form.get("user", ["somebody"])[0][:40]}


def put_into_cart(known, form):
    item = form.get("item", ["tea"])[0][:40]
    return {**known, "cart": dict(Counter(known.get("cart", {})) + Counter([item]))}


def checkout(known, form):
    return {**known, "cart": {}, "orders": known.get("orders", 0) + 1}


DEEDS = {"/login": login, "/cart": put_into_cart, "/checkout": checkout, "/logout": lambda known, form: None}


class Customer(BaseHTTPRequestHandler):
    """One connection. `answered` counts its requests, and nothing else is remembered of it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one piece
    timeout = 75
    answered = 0

    def do_GET(self):
        path = urlsplit(self.path).path
        if path in ("/healthz", "/ready"):
            return self.answer(200, {"ok": True})
        if path != "/":
            return self.answer(404, {"error": f"There is no {path} here, but: / {' '.join(DEEDS)}"})
        return self.serve(None)

    def do_POST(self):
        deed = DEEDS.get(urlsplit(self.path).path)
        if deed is None:
            return self.answer(404, {"error": f"Nothing can be sent to {self.path}, but to: {' '.join(DEEDS)}"})
        return self.serve(deed)

    def serve(self, deed):
        form, keeper, cookie = self.form(), KEEPERS[STATE](), self.cookie()
        try:
            with changing:
                known, note = keeper.load(cookie)
                if deed:
                    known = deed(known, form)
                    cookie = keeper.forget(cookie) if known is None else keeper.save(cookie, known)
        except (OSError, redis.Refused) as problem:
            return self.answer(503, {"error": f"The shop cannot reach its Redis ({redis.HOST}): {problem}"})
        except ValueError:
            return self.answer(400, {"error": "The cookie is broken."})
        told = {"user": None, "cart": {}, "orders": 0, **(known or {}), "note": note}
        return self.answer(200, told, cookie if deed else None, forgotten=deed is not None and known is None)

    def form(self):
        size = min(int(self.headers.get("content-length") or 0), LARGEST)
        return parse_qs(self.rfile.read(size).decode("utf-8", "replace"))

    def cookie(self):
        """The customer's cookie; or, from a program, the same as a token: `Authorization: Bearer …`."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
        try:
            found = SimpleCookie(self.headers.get("cookie", "")).get("shop")
        except CookieError:
            return ""
        return found.value if found else ""

    def answer(self, status, told, cookie=None, forgotten=False):
        self.answered += 1
        told |= {"pod": NAME, "version": VERSION, "state": STATE, "request_on_connection": self.answered}
        accepted = self.headers.get("accept", "")
        if "application/json" in accepted:
            body, kind = json.dumps(told) + "\n", "application/json"
        elif "text/html" in accepted:
            body, kind = page(told), "text/html"
        else:
            body, kind = "".join(f"{name}: {value}\n" for name, value in told.items()), "text/plain"
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body.encode())))
        self.send_header("X-Pod", NAME)
        self.send_header("X-Version", VERSION)
        if cookie is not None:
            self.send_header("Set-Cookie", f"shop={cookie}; Path=/; Max-Age={HOUR}; HttpOnly; SameSite=Lax")
        if forgotten:
            self.send_header("Set-Cookie", "shop=; Path=/; Max-Age=0")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format, *words):
        print(self.client_address[0], format % words, flush=True)


def page(told):
    """The shop for a browser. Its buttons are forms: they work without any script."""
    if "error" in told:
        inside = f"<p>{escaped(told['error'])}"
    else:
        cart = ", ".join(f"{count} × {item}" for item, count in told["cart"].items()) or "empty"
        buy = "".join(f"<button name=item value={item}>{item}</button> " for item in GOODS)
        inside = (
            f"<p>You are <b>{escaped(told['user'] or 'nobody I know')}</b>. Your cart: <b>{escaped(cart)}</b>."
            f"<p>{escaped(told['note'])}"
            f"<form method=post action=login><input name=user value=ada> <button>Log in</button></form>"
            f"<form method=post action=cart>{buy}</form>"
        )
    return (
        "<!doctype html><meta charset=utf-8><title>shop</title>"
        "<style>body{font:16px system-ui;margin:2rem;color-scheme:light dark}</style>"
        f"<h1>The shop</h1>{inside}<p><small>{escaped(told['pod'])}, state in {told['state']}</small>\n"
    )


def escaped(text):
    return str(text).replace("&", "&amp;").replace("<", "&lt;")


class Shop(ThreadingHTTPServer):
    request_queue_size = 128


def main():
    if STATE not in KEEPERS:
        sys.exit(f"STATE={STATE}: there is only {', '.join(KEEPERS)}")
    shop = Shop((os.environ.get("POD_IP", ""), int(os.environ.get("PORT", "8080"))), Customer)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=shop.shutdown).start())
    print(f"the shop on {NAME} answers at {shop.server_address[0]}:8080, state in {STATE}", flush=True)
    shop.serve_forever()
    print("stopped", flush=True)


main()
