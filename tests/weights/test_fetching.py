"""Weights made from a checkpoint on the web, which here is a server on this machine."""

from __future__ import annotations

import contextlib
import functools
import http.server
import ssl
import threading
from pathlib import Path

import pytest

from codectk.base.errors import ContractError, InputError, PluginBrokenError, UsageError, WeightsError
from codectk.pipeline.load import forget
from codectk.spec.published import PublishedWeights
from codectk.weights import store
from codectk.weights.pulling import pull
from codectk.weights.tensors import load_tensors, read_metadata

KNOWS_AN_ADDRESS = """
import numpy as np
from codectk.spec.hooks import hookimpl
from codectk.spec.published import PublishedWeights

@hookimpl
def codectk_weights_published(codec):
    return {answer}

@hookimpl
def codectk_weights_import(codec, path):
    return {{"x": np.frombuffer(path.read_bytes(), np.uint8)}}, {{"source": path.name}}
"""

VALUES = bytes(range(40))
FILE = "numbers-1.bin"

CERTIFICATE = Path(__file__).with_name("localhost.pem")
"""Of the server here, with its key; it vouches for nothing else."""


@pytest.fixture
def web(tmp_path, monkeypatch):
    """A folder that a server shows, its address, and the paths that were asked for; the store is empty."""
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / FILE).write_bytes(VALUES)
    asked = []
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda self, *_: asked.append(self.path))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CODECTK_OFFLINE", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with serving(handler, secure=True) as address:
        yield folder, address, asked


@contextlib.contextmanager
def serving(handler, *, secure):
    """A server on this machine; gives its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http{'s' * secure}://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def alpha(web, site):
    """Install the plugin `alpha`, which says where its weights are; called with what it says, as code."""
    folder, address, _ = web
    sha256 = store.sha256_of(folder / FILE)

    def install(answer=f'PublishedWeights("{address}/{FILE}", "{sha256}")'):
        site.add("alpha", KNOWS_AN_ADDRESS.format(answer=answer))
        return PublishedWeights(f"{address}/{FILE}", sha256)

    yield install
    forget()


def test_it_is_fetched_once(alpha, web):
    alpha()
    said = []
    (pulled,) = pull("alpha", say=said.append)
    assert pulled.new and pulled.entry is None and load_tensors(pulled.path)["x"].tobytes() == VALUES
    assert read_metadata(pulled.path) == {"codec": "alpha", "source": FILE}
    (again,) = pull("alpha", say=said.append)
    assert not again.new and again.path == pulled.path and "there already" in said[-1]
    assert web[2] == [f"/{FILE}"]


def test_a_publisher_may_tell_the_beginning_of_the_hash_only(alpha, web):
    digest, said = store.sha256_of(web[0] / FILE), []
    alpha(f'PublishedWeights("{web[1]}/{FILE}", "{digest[:8]}", short=True)')
    (pulled,) = pull("alpha", say=said.append)
    assert pulled.new and f"its publisher tells {digest[:8]}...; all of it is {digest}." in said[1]
    (web[0] / FILE).write_bytes(b"other")
    with pytest.raises(WeightsError, match=f"its sha256 should start with {digest[:8]}, and is"):
        pull("alpha", web[0] / FILE)


def test_a_server_may_not_lead_to_an_open_line(alpha, web, tmp_path):
    plain = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(web[0]))
    with serving(plain, secure=False) as address:

        class Leads(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(302)
                self.send_header("Location", f"{address}/{FILE}")
                self.end_headers()

            def log_message(self, *_):
                pass

        with serving(Leads, secure=True) as start:
            alpha(f'PublishedWeights("{start}/{FILE}", "{store.sha256_of(web[0] / FILE)}")')
            with pytest.raises(WeightsError, match="which is not https"):
                pull("alpha")
    assert store.stored() == ()


def test_offline_opens_no_connection_and_says_what_to_run_elsewhere(alpha, web, monkeypatch):
    monkeypatch.setenv("CODECTK_OFFLINE", "1")
    published, said = alpha(), []
    with pytest.raises(WeightsError) as caught:
        pull("alpha", say=said.append)
    assert said == []
    assert f"'curl -LO {published.url}'" in str(caught.value)
    assert f"'codectk weights import alpha {FILE}'" in str(caught.value)
    assert web[2] == [] and store.stored() == ()
    (pulled,) = pull("alpha", web[0] / FILE)
    assert pulled.new and web[2] == []


def test_another_file_is_not_read(alpha, web, tmp_path):
    alpha()
    (web[0] / FILE).write_bytes(b"other")
    for file in (None, web[0] / FILE):
        with pytest.raises(WeightsError, match=r"is not numbers-1.bin: its sha256 should be \w{64}, and is"):
            pull("alpha", file)
    (web[0] / FILE).unlink()
    with pytest.raises(WeightsError, match=r"numbers-1.bin could not be fetched: .*404.*; where it can be, run 'curl"):
        pull("alpha")
    with pytest.raises(InputError, match="no file"):
        pull("alpha", tmp_path / "nowhere")
    assert store.stored() == ()


def test_too_much_is_not_taken(alpha, monkeypatch):
    monkeypatch.setattr("codectk.weights.pulling.MAX_BYTES", 10)
    alpha()
    with pytest.raises(WeightsError, match="gives more than"):
        pull("alpha")


def test_a_plugin_may_know_no_address_but_nothing_else(alpha, site):
    alpha("None")
    with pytest.raises(UsageError, match="None of the weights of codec 'alpha'"):
        pull("alpha")
    site.add("beta", KNOWS_AN_ADDRESS.format(answer="'here'"))
    with pytest.raises(PluginBrokenError, match=r"beta.* gave a str as published weights of 'beta'"):
        pull("beta")


@pytest.mark.parametrize(
    ("url", "sha256", "short"),
    [("file:///etc/x.pth", "ab" * 32, False), ("https://example.org/", "ab" * 32, False),
     ("https://example.org/a b", "ab" * 32, False), ("http://example.org/x.pth", "ab" * 32, False),
     ("https://example.org/x.pth", "ab" * 4, False), ("https://example.org/x.pth", "XY" * 32, False),
     ("https://example.org/x.pth", "ab", True), ("https://example.org/x.pth", "ab" * 32, True)],
)  # fmt: skip
def test_addresses_and_hashes_are_checked(url, sha256, short):
    with pytest.raises(ContractError):
        PublishedWeights(url, sha256, short)
