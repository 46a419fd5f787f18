"""The images k8slab/cart and k8slab/chat as plain Python: where the state lives, and what becomes of it."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from contextlib import AbstractAsyncContextManager

import pytest

from tests.runtime.world import ADDRESSES, image_process


def pod(image: str, **env: str) -> AbstractAsyncContextManager[tuple[str, asyncio.subprocess.Process]]:
    return image_process(image, b" on ", **env)


class Browser:
    """One customer with a cookie jar of one cookie."""

    def __init__(self) -> None:
        self.cookie = ""

    async def ask(self, address: str, path: str = "/", form: str | None = None, **headers: str) -> tuple[int, dict]:
        method = "GET" if form is None else "POST"
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        more += f"Cookie: shop={self.cookie}\r\n" if self.cookie else ""
        body = form or ""
        reader, writer = await asyncio.open_connection(address, 8080)
        writer.write(
            f"{method} {path} HTTP/1.1\r\nAccept: application/json\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n{more}\r\n{body}".encode()
        )
        head, _, text = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
        for line in head.split("\r\n"):
            if line.startswith("Set-Cookie: shop="):
                self.cookie = line.removeprefix("Set-Cookie: shop=").partition(";")[0]
        return int(head.split()[1]), json.loads(text)


async def test_a_session_in_memory_is_known_to_its_process_alone():
    ada = Browser()
    async with pod("cart") as (one, _), pod("cart") as (two, _):
        assert (await ada.ask(one))[1]["user"] is None
        assert ada.cookie == ""  # nobody gets a session for looking
        await ada.ask(one, "/login", "user=ada")
        await ada.ask(one, "/cart", "item=tea")
        _, told = await ada.ask(one, "/cart", "item=tea")
        assert (told["user"], told["cart"], told["note"]) == ("ada", {"tea": 2}, "")
        _, told = await ada.ask(two)
        assert (told["user"], told["cart"]) == (None, {})
        assert "does not know" in told["note"]
        assert (await ada.ask(one))[1]["cart"] == {"tea": 2}


async def test_a_signed_cookie_is_known_to_every_pod_with_the_secret_and_to_no_other():
    ada = Browser()
    async with pod("cart", STATE="cookie", SECRET="s") as (one, _), pod("cart", STATE="cookie", SECRET="s") as (two, _):
        await ada.ask(one, "/login", "user=ada")
        await ada.ask(two, "/cart", "item=lamp")
        assert (await ada.ask(one))[1] | {"pod": ""} == {
            "user": "ada", "cart": {"lamp": 1}, "orders": 0, "note": "", "pod": "", "version": "v1", "state": "cookie",
            "request_on_connection": 1,
        }  # fmt: skip
        token = Browser()
        assert (await token.ask(two, Authorization=f"Bearer {ada.cookie}"))[1]["user"] == "ada"
        ada.cookie = "x" + ada.cookie
        assert "not believed" in (await ada.ask(one))[1]["note"]
        ada.cookie = "é"
        assert (await ada.ask(one))[0] == 200


async def test_log_out_and_checkout():
    ada = Browser()
    async with pod("cart") as (shop, _):
        await ada.ask(shop, "/cart", "item=tea")
        _, told = await ada.ask(shop, "/checkout", "")
        assert (told["cart"], told["orders"]) == ({}, 1)
        old = ada.cookie
        await ada.ask(shop, "/logout", "")
        assert ada.cookie == ""
        ada.cookie = old
        assert (await ada.ask(shop))[1]["orders"] == 0


async def test_pages_that_are_not_there_and_ways_to_stop():
    async with pod("cart") as (shop, process):
        assert (await Browser().ask(shop, "/nowhere"))[0] == 404
        assert (await Browser().ask(shop, "/nowhere", ""))[0] == 404
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_keep_alive_is_a_line_kept_open_and_no_memory_of_who_you_are():
    async with pod("cart") as (shop, _):
        reader, writer = await asyncio.open_connection(shop, 8080)
        for number in (1, 2):
            writer.write(b"GET / HTTP/1.1\r\nAccept: application/json\r\n\r\n")
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            size = int(head.partition("content-length: ")[2].split()[0])
            told = json.loads(await reader.readexactly(size))
            assert (told["request_on_connection"], told["user"]) == (number, None)
        writer.close()


@pytest.mark.skipif(not shutil.which("redis-server"), reason="needs redis-server")
async def test_a_session_in_redis_is_known_to_all_and_survives_the_pods(tmp_path):
    address, ada = next(ADDRESSES), Browser()
    redis = await asyncio.create_subprocess_exec(
        "redis-server", "--bind", address, "--save", "", "--dir", str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert redis.stdout
    try:
        while b"eady to accept" not in (line := await redis.stdout.readline()):
            assert line
        where = {"STATE": "redis", "REDIS": f"{address}:6379"}
        async with pod("cart", **where) as (one, _):
            await ada.ask(one, "/login", "user=ada")
        named = {
            "REDIS": "a-redis.invalid",
            "A_REDIS.INVALID_SERVICE_HOST": address,
            "A_REDIS.INVALID_SERVICE_PORT": "6379",
        }
        async with pod("cart", **where | named) as (two, _):  # where names are not to be had
            assert (await ada.ask(two, "/cart", "item=book"))[1]["cart"] == {"book": 1}
            stranger = Browser()
            stranger.cookie = "made-up"
            _, told = await stranger.ask(two, "/login", "user=eve")
            assert "does not have" in told["note"]
            assert stranger.cookie != "made-up"  # a number that a customer made up is never used
            redis.kill()
            await redis.wait()
            status, told = await ada.ask(two)
            assert status == 503
            assert "cannot reach its Redis" in told["error"]
    finally:
        if redis.returncode is None:
            redis.kill()
            await redis.wait()


async def test_a_conversation_is_remembered_by_its_connection():
    async with pod("chat") as (address, process):
        reader, writer = await asyncio.open_connection(address, 2323)

        async def heard() -> str:
            return (await reader.readline()).decode().strip()

        assert (await heard()).startswith("220 ")
        writer.write(b"NAME ada\r\ntea, please\r\nWHO\r\nNAME\r\n")
        assert await heard() == "250 Hello ada."
        assert await heard() == "250 ada, that was line 1."
        assert (await heard()).startswith("250 You are ada; you said 1 lines")
        assert (await heard()).startswith("501 ")
        other, writing = await asyncio.open_connection(address, 2323)
        await other.readline()
        writing.write(b"WHO\r\n")
        assert b"nobody I know" in await other.readline()
        writing.write(b"QUIT\r\n")
        assert (await other.read()).startswith(b"221 ")
        process.send_signal(signal.SIGTERM)
        assert (await heard()).startswith("421 ")
        assert await reader.read() == b""
        assert await asyncio.wait_for(process.wait(), 10) == 0
