"""What bars a stream has a name: each cause injected for real, none seen where nothing is wrong, all of it in time."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from kit import barred_ways, streaming_peer
from kit.virtual_time import run_in_virtual_time

from dgsm_helpers.errors import AccessDenied, CredentialsProblem, NotFound, StreamFailed
from dgsm_helpers.load.transport import connecting, path_walk
from dgsm_helpers.load.transport.data_path import follow_path
from dgsm_helpers.load.transport.path_walk import LEAST_S, TOTAL_S
from dgsm_helpers.load.transport.stream_loops import run_blocking
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.rules.path_steps import Cause
from dgsm_helpers.wire.sigv4 import Credentials

KEYS = Credentials("AKIDPEER", streaming_peer.SECRET)
VPC_ADDRESS = "10.0.3.7"


def walked(target, read_credentials=lambda: KEYS):
    return run_blocking(follow_path(target, read_credentials))


def barred_by(target, read_credentials=lambda: KEYS):
    """The one step that bars the way, the last of all."""
    path = walked(target, read_credentials)
    *before, last = path.steps
    assert last.ends_the_way and last.fix and not any(step.ends_the_way for step in before)
    return last


def to(port, **given):
    return StreamTarget(url=f"https://127.0.0.1:{port}", region="us-east-1", endpoint_name="good", **given)


@pytest.fixture
def refusing(peer):
    """Makes the peer refuse a stream so; the target that meets it."""

    def refuse(status, code, text, **members):
        peer.refusals["refused"] = (status, code, {"message": text, **members})
        return peer.target("refused")

    yield refuse
    peer.refusals.clear()


# Nothing is wrong.


def test_the_data_path_of_a_healthy_endpoint_is_open_to_its_end(peer):
    path = walked(peer.target())
    assert [(step.looked_at, step.cause) for step in path.steps] == [
        (name, None) for name in ("name", "port", "certificate", "clock", "stream")
    ]
    path.require()


@pytest.mark.parametrize("name", ["early", "drop", "instream"])
def test_the_data_path_is_open_whatever_a_model_does_with_long_streams_case(peer, name):
    assert not any(step.cause for step in walked(peer.target(name)).steps)


def test_the_data_path_is_open_where_the_container_only_dislikes_the_query_case(refusing):
    target = refusing(424, "ModelError", "Failed to establish WebSocket connection", OriginalStatusCode=400)
    assert not any(step.cause for step in walked(target).steps)


def test_the_data_path_through_a_proxy_that_opens_tunnels_is_open_environment(peer):
    with barred_ways.http_proxy() as proxy:
        path = walked(replace(peer.target(), proxy_url=proxy.url.replace("//", "//me:p%40ss@")))
    assert [step.cause for step in path.steps] == [None] * 6
    assert b"Proxy-Authorization: Basic bWU6cEBzcw==\r\n" in proxy.asked[0]
    assert not any("ss@" in step.saw or "p%40ss" in step.saw for step in path.steps)


@pytest.mark.parametrize("ahead_s", [-240, 240])
def test_a_clock_within_aws_s_five_minutes_is_no_cause_on_the_data_path(peer, monkeypatch, ahead_s):
    monkeypatch.setattr(peer, "ahead_s", ahead_s)
    assert not any(step.cause for step in walked(peer.target()).steps)


# 1. The port.


@pytest.mark.parametrize(
    ("way", "said"),
    [
        (barred_ways.closed_port, "refuses the connection"),
        (barred_ways.full_port, "does not answer"),
        (barred_ways.silent_port, "then says nothing"),
        (barred_ways.cutting_port, "then cuts it"),
    ],
)
def test_a_blocked_port_is_found_on_the_data_path_case(way, said):
    with way() as port:
        found = barred_by(to(port))
    assert (found.cause, f"127.0.0.1:{port} " in found.saw, said in found.saw) == (Cause.PORT, True, True)


# 2. Names.


def test_a_name_without_address_is_found_on_the_data_path_environment():
    found = barred_by(replace(to(8443), url="https://runtime.sagemaker.us-east-1.amazonaws.com.invalid:8443"))
    assert (found.cause, ".invalid has no address" in found.saw) == (Cause.DNS, True)


@pytest.mark.parametrize("host", ["x" * 64 + ".example", "a..b", "\u2028.example"])
def test_a_name_that_can_have_no_address_is_found_on_the_data_path_case(host):
    assert barred_by(replace(to(8443), url=f"https://{host}:8443")).cause is Cause.DNS


def test_a_resolver_that_never_answers_is_found_on_the_data_path_environment(monkeypatch):
    async def never(host):
        await asyncio.Event().wait()

    monkeypatch.setattr(connecting, "addresses_of", never)
    found = barred_by(to(8443))
    assert (found.cause, "resolver does not answer" in found.saw) == (Cause.DNS, True)


# 3. A VPC endpoint.


@pytest.fixture
def vpc(monkeypatch):
    """A network in which the host's name leads to a private address, and each port of it to one of this machine's."""

    def route(ports, address=VPC_ADDRESS):
        connect = connecting._connected

        async def addresses(host):
            return (address,)

        async def connected(asked, port):
            assert asked == address
            return await connect("127.0.0.1", ports[port])

        monkeypatch.setattr(connecting, "addresses_of", addresses)
        monkeypatch.setattr(connecting, "_connected", connected)
        return StreamTarget(
            url="https://runtime.sagemaker.us-east-1.amazonaws.com:8443", region="us-east-1", endpoint_name="good"
        )

    return route


@pytest.mark.parametrize(
    ("way", "address"),
    [
        (barred_ways.full_port, VPC_ADDRESS),
        (barred_ways.closed_port, "172.31.0.9"),
        (barred_ways.silent_port, "100.64.1.2"),
        (barred_ways.full_port, "fd00:ec2::7"),
    ],
)
def test_a_security_group_without_8443_is_found_on_the_data_path_environment(vpc, way, address):
    with way() as closed, barred_ways.silent_port() as https:
        found = barred_by(vpc({8443: closed, 443: https}, address))
    assert (found.cause, "security group" in found.fix, address in found.saw) == (Cause.VPC_ENDPOINT, True, True)


@pytest.mark.parametrize(
    ("address", "https"), [(VPC_ADDRESS, barred_ways.closed_port), ("52.1.2.3", barred_ways.silent_port)]
)
def test_a_security_group_is_not_blamed_for_what_it_cannot_do_data_path_case(vpc, address, https):
    with barred_ways.closed_port() as closed, https() as other:
        assert barred_by(vpc({8443: closed, 443: other}, address)).cause is Cause.PORT


# 4. Certificate authorities.


def test_an_untrusted_authority_is_found_on_the_data_path_environment(peer):
    found = barred_by(replace(peer.target(), ca_bundle=None))
    assert (found.cause, "AWS_CA_BUNDLE" in found.fix) == (Cause.AUTHORITY, True)


@pytest.mark.parametrize("content", [None, "", "no PEM at all\n"])
def test_a_ca_bundle_that_cannot_be_used_is_found_on_the_data_path_case(peer, tmp_path, content):
    bundle = tmp_path / "corporate.pem"
    if content is not None:
        bundle.write_text(content)
    found = barred_by(replace(peer.target(), ca_bundle=str(bundle)))
    assert (found.cause, str(bundle) in found.saw) == (Cause.AUTHORITY, True)


def test_a_certificate_for_another_name_is_found_on_the_data_path_case(peer):
    found = barred_by(replace(peer.target(), url=peer.url.replace("127.0.0.1", "localhost")))
    assert (found.cause, "Another server answers" in found.fix) == (Cause.AUTHORITY, True)


# 5. The clock.


@pytest.mark.parametrize(("ahead_s", "side"), [(3600, "60 minutes behind"), (-7 * 86400, "7 days ahead of")])
def test_a_clock_that_is_wrong_is_found_on_the_data_path_environment(peer, monkeypatch, ahead_s, side):
    monkeypatch.setattr(peer, "ahead_s", ahead_s)
    found = barred_by(peer.target())
    assert (found.cause, side in found.saw) == (Cause.CLOCK, True)


def test_a_clock_is_found_wrong_without_a_date_too_data_path_case(refusing):
    text = "Signature expired: 20261129T080000Z is now earlier than 20261129T085500Z (20261129T090000Z - 5 min.)"
    assert barred_by(refusing(403, "InvalidSignatureException", text)).cause is Cause.CLOCK


NOW = datetime.now(UTC)
YESTERDAY, TOMORROW, NEXT_YEAR = NOW - timedelta(days=1), NOW + timedelta(days=1), NOW + timedelta(days=365)


@pytest.mark.parametrize(
    ("certificate", "ahead_s", "cause"),
    [
        ({"not_before": TOMORROW, "not_after": NEXT_YEAR}, 2 * 86400, Cause.CLOCK),
        ({"not_after": YESTERDAY}, -3 * 86400, Cause.CLOCK),
        ({"not_after": YESTERDAY}, 0, Cause.AUTHORITY),
    ],
)
def test_a_certificate_out_of_its_time_is_the_clocks_fault_or_its_own_data_path_case(
    tmp_path, certificate, ahead_s, cause
):
    with streaming_peer.serve(tmp_path, **certificate) as peer:
        peer.ahead_s = ahead_s
        assert barred_by(peer.target()).cause is cause


# 7. Credentials.


def _raises(error):
    def read():
        raise error

    return read


@pytest.mark.parametrize(
    "read",
    [
        _raises(CredentialsProblem("No AWS credentials were found.", hint="Sign in first.")),
        _raises(ValueError("Expecting value: line 1 column 1 (char 0)")),
        lambda: Credentials("", ""),
        lambda: Credentials("AKIDPEER", ""),
        lambda: Credentials("AKIDPEER", "another secret"),
        lambda: Credentials("AKIDNOBODY", "secret"),
    ],
)
def test_credentials_that_are_missing_or_wrong_are_found_on_the_data_path_environment(peer, read):
    assert barred_by(peer.target(), read).cause is Cause.CREDENTIALS


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("ExpiredTokenException", "The security token included in the request is expired"),
        ("ExpiredToken", "The provided token has expired."),
        ("HTTP403", "The security token included in the request is invalid."),
    ],
)
def test_expired_credentials_are_found_on_the_data_path_case(refusing, code, text):
    assert barred_by(refusing(403, code, text)).cause is Cause.CREDENTIALS


# 8. Permissions.


@pytest.mark.parametrize(
    "why",
    [
        "because no identity-based policy allows the sagemaker:InvokeEndpointWithBidirectionalStream action",
        "with an explicit deny in a service control policy",
        "because no VPC endpoint policy allows the sagemaker:InvokeEndpoint action",
    ],
)
@pytest.mark.parametrize("code", ["AccessDeniedException", "HTTP403"])
def test_a_denied_action_is_found_on_the_data_path_case(refusing, why, code):
    text = f"User: arn:aws:iam::123456789012:user/u is not authorized to perform: sagemaker:InvokeEndpoint {why}"
    found = barred_by(refusing(403, code, text))
    assert (found.cause, why in found.saw) == (Cause.ACTION, True)


# 11. Proxies.


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("403 Forbidden", "403 Forbidden"),
        ("405 Method Not Allowed", "405"),
        ("407 Proxy Authentication Required", "407"),
        ("503 Service Unavailable", "503"),
        (None, "with nothing"),
    ],
)
def test_a_proxy_that_opens_no_tunnel_is_found_on_the_data_path_environment(peer, answer, said):
    with barred_ways.http_proxy(answer) as proxy:
        found = barred_by(replace(peer.target(), proxy_url=proxy.url))
    assert (found.cause, said in found.saw, f"127.0.0.1:{proxy.port}" in found.saw) == (Cause.PROXY, True, True)


@pytest.mark.parametrize(
    "url",
    [
        "http://proxy.invalid:3128",
        "https://127.0.0.1:3128",
        "socks5://127.0.0.1:1080",
        "http://127.0.0.1:1",
    ],
)
def test_a_proxy_that_cannot_be_used_is_found_on_the_data_path_environment(peer, url):
    assert barred_by(replace(peer.target(), proxy_url=url)).cause is Cause.PROXY


@pytest.fixture
def old_http(peer, tmp_path):
    """A server whose TLS is trusted and offers HTTP/1.1 only, as a proxy that looks into TLS has it."""
    authority = trustme.CA()
    bundle = tmp_path / "proxy-ca.pem"
    authority.cert_pem.write_to_path(str(bundle))

    def context(protocols):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(made)
        if protocols:
            made.set_alpn_protocols(protocols)
        return made

    return context, str(bundle)


@pytest.mark.parametrize("protocols", [["http/1.1"], None])
@pytest.mark.parametrize("through", [True, False])
def test_a_proxy_without_http2_is_found_on_the_data_path_environment(old_http, protocols, through):
    context, bundle = old_http
    with barred_ways.tls_port(context(protocols)) as port, barred_ways.http_proxy() as proxy:
        found = barred_by(to(port, ca_bundle=bundle, proxy_url=proxy.url if through else None))
    assert (found.cause, "HTTP/2" in found.saw) == (Cause.PROXY, True)


def test_a_sign_in_page_in_clear_text_is_found_on_the_data_path_case():
    with barred_ways.plain_port() as port:
        assert barred_by(to(port)).cause is Cause.PROXY


# 9, 10, 12: what the runtime says of the endpoint.


def test_an_unknown_endpoint_is_found_on_the_data_path_case(refusing):
    found = barred_by(refusing(400, "ValidationError", "Endpoint nope of account 123456789012 not found."))
    assert (found.cause, found.refusal.account) == (Cause.ENDPOINT, "123456789012")


def test_a_stream_signed_for_another_region_is_found_on_the_data_path_case(refusing):
    text = "Credential should be scoped to a valid region, not 'us-east-1'."
    assert barred_by(refusing(403, "InvalidSignatureException", text)).cause is Cause.REGION


@pytest.mark.parametrize(
    ("status", "code", "members"),
    [
        (429, "ThrottlingException", {}),
        (429, "ModelNotReadyException", {}),
        (503, "ServiceUnavailable", {}),
        (424, "ModelError", {"OriginalStatusCode": 429}),
        (424, "ModelError", {"OriginalStatusCode": 503}),
    ],
)
def test_a_full_instance_is_found_on_the_data_path_case(refusing, status, code, members):
    assert barred_by(refusing(status, code, "No more of it.", **members)).cause is Cause.FULL


def test_an_endpoint_that_does_not_serve_yet_is_found_on_the_data_path_case(refusing):
    text = "Endpoint demo of account 123456789012 is not in service: Creating."
    assert barred_by(refusing(400, "ValidationError", text)).cause is Cause.FULL


@pytest.mark.parametrize("name", ["mute", "silent"])
def test_an_instance_that_does_not_answer_is_found_on_the_data_path_case(peer, name):
    assert barred_by(peer.target(name)).cause is Cause.FULL


def test_what_is_none_of_the_twelve_is_told_in_aws_s_words_data_path_case(refusing):
    found = barred_by(refusing(500, "InternalServerError", "Try again."))
    assert (found.cause, "InternalServerError: Try again" in found.saw) == (Cause.OTHER, True)


@pytest.mark.parametrize(
    ("status", "code", "text", "error"),
    [
        (403, "AccessDeniedException", "not authorized", AccessDenied),
        (403, "ExpiredTokenException", "expired", CredentialsProblem),
        (400, "ValidationError", "Endpoint e of account 123456789012 not found.", NotFound),
        (429, "ThrottlingException", "Rate exceeded", StreamFailed),
    ],
)
def test_before_a_load_what_bars_the_data_path_is_an_error_of_its_kind(refusing, status, code, text, error):
    with pytest.raises(error, match=code) as raised:
        walked(refusing(status, code, text)).require()
    assert raised.value.hint


# In time, whatever each step does.


def test_what_the_steps_of_the_data_path_are_sure_of_fills_the_time_and_no_more():
    assert sum(LEAST_S.values()) == pytest.approx(TOTAL_S) and TOTAL_S < 10
    names = list(LEAST_S)
    ends = [path_walk.ends_at(name, 100.0) for name in names]
    assert ends == sorted(ends) and ends[-1] == pytest.approx(100.0 + TOTAL_S)


async def _for_ever(*_):
    await asyncio.Event().wait()


PROXIED = StreamTarget(
    url="https://runtime.test:8443", region="us-east-1", endpoint_name="e", proxy_url="http://proxy.test:3128"
)
STEPS = ("addresses_of", "connected", "tunnelled", "secured")


@pytest.mark.parametrize("hangs", STEPS)
@pytest.mark.parametrize("spend", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("proxied", [True, False])
def test_the_data_path_ends_in_time_whichever_step_hangs_and_whatever_was_spent_before(
    monkeypatch, hangs, spend, proxied
):
    """The clock is the loop's own: it jumps to the next timer, so what is read from it is exact."""
    if hangs == "tunnelled" and not proxied:
        pytest.skip("there is no tunnel without a proxy")
    target = PROXIED if proxied else replace(PROXIED, proxy_url=None)
    ends = dict(zip(STEPS, ("name", "port", "tunnel", "certificate"), strict=True))
    answers = {"addresses_of": ("192.0.2.1",), "connected": socket.socket(), "tunnelled": None}

    def step(name):
        async def work(*_):
            loop = asyncio.get_running_loop()
            if name == hangs or (name == "connected" and _[-1] == 443):
                await _for_ever()
            left_s = path_walk.ends_at(ends[name], 0.0) - loop.time()
            await asyncio.sleep(max(0.0, left_s) * spend)
            return answers[name]

        return work

    for name in STEPS:
        monkeypatch.setattr(connecting, name, step(name))

    async def timed():
        path = await follow_path(target, lambda: KEYS)
        return path, asyncio.get_running_loop().time()

    path, took_s = run_in_virtual_time(timed())
    answers["connected"].close()
    assert path.steps[-1].ends_the_way
    assert took_s <= TOTAL_S - LEAST_S["account"], "the account has its time too"
    assert path.left_s == pytest.approx(TOTAL_S - took_s)


@pytest.mark.parametrize("hangs", ["credentials", "stream"])
def test_the_data_path_ends_in_time_when_credentials_or_the_stream_hang(monkeypatch, hangs):
    class Connection:
        def abort(self):
            pass

    async def stuck(*_):
        await asyncio.sleep(path_walk.ends_at("certificate", 0.0) * 0.999)
        return Connection(), "h2"

    async def at_once(*_):
        return ("192.0.2.1",)

    async def silence(self, connection, target):
        await _for_ever()

    monkeypatch.setattr(connecting, "addresses_of", at_once)
    monkeypatch.setattr(connecting, "connected", at_once)
    monkeypatch.setattr(connecting, "secured", stuck)
    monkeypatch.setattr(path_walk.SilentStream, "talk", silence)
    begun = []

    def in_background(work):
        # A future of the loop's own time: nothing but the step's end wakes it.
        begun.append(work)
        future = asyncio.get_running_loop().create_future()
        if hangs == "stream":
            future.set_result(KEYS)
        return future

    monkeypatch.setattr(path_walk, "in_background", in_background)

    async def timed():
        path = await follow_path(replace(PROXIED, proxy_url=None), lambda: KEYS)
        return path, asyncio.get_running_loop().time()

    path, took_s = run_in_virtual_time(timed())
    assert begun
    assert path.steps[-1].cause is (Cause.CREDENTIALS if hangs == "credentials" else Cause.FULL)
    assert took_s == pytest.approx(path_walk.ends_at(hangs, 0.0))
