"""Whatever ``v1/listen`` takes has the effect of Deepgram's manual, is named in the log, or is refused."""

import asyncio
import http.server
import json
import socket
import threading
from itertools import pairwise

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from kit.runtime_sdk import QUERY, WAIT_S, connect, say, transcript
from kit.sdk_messages import check
from kit.waiting import until

from dgsm_helpers.families import NOVA
from dgsm_helpers.rules.sample import bundled_sample, sample_wav
from embedded_aws.engines.speech import SpeechEngine
from embedded_aws.held_bytes import HeldBytes
from embedded_aws.runtime import callbacks
from embedded_aws.runtime.gate import Limits

PCM = bundled_sample().pcm


def run(coroutine):
    return asyncio.run(coroutine)


def whole(running, query):
    settings = Config(retries={"total_max_attempts": 1}, read_timeout=WAIT_S)
    client = boto3.Session().client(
        "sagemaker-runtime", region_name="us-east-1", endpoint_url=running.url, config=settings
    )
    answer = client.invoke_endpoint(
        EndpointName="demo", Body=sample_wav(), ContentType="audio/wav", CustomAttributes=f"v1/listen?{query}"
    )
    return json.loads(answer["Body"].read())


def refusal(running, query, *, stream):
    """The container's own words."""
    if stream:
        with pytest.raises(Exception, match="Failed to establish WebSocket connection"):
            run(connect(running.url, query=query))
    else:
        with pytest.raises(ClientError) as caught:
            whole(running, query)
        assert caught.value.response["OriginalStatusCode"] == 400
    return running.lease.log_lines[-1]


def test_replaced_words_reach_streams_and_files(running):
    more = "&replace=fellow%20americans:dear%20friends&replace=country:land"
    messages = run(say(running.url, PCM, query=QUERY + more))
    assert transcript(messages).count("dear friends") == 1 and transcript(messages).count("land") == 2
    check("v1/listen", messages)
    best = whole(running, "punctuate=true" + more)["results"]["channels"][0]["alternatives"][0]
    assert best["transcript"] == transcript(messages)
    assert [w["word"] for w in best["words"]][3:5] == ["dear", "friends"]


def configured(running, *asked):
    """What each Configure is answered with."""

    async def scene():
        stream = await connect(running.url, query=QUERY)
        for fields in asked:
            await stream.control("Configure", **fields)
        await stream.control("CloseStream")
        await stream.end()
        return stream.messages

    *answers, farewell = run(scene())
    assert farewell["type"] == "Metadata" and len(answers) == len(asked)
    return answers


def test_every_configure_is_answered_and_names_the_keyterms_it_replaced(running):
    answers = configured(
        running,
        {"features": {"numerals": True}},
        {"keyterms": ["moon base", "crew"]},
        {"keyterms": []},
        {"keyterms": None, "features": {"numerals": False}},
        {},
    )
    check("v1/listen", answers)
    assert {m["type"] for m in answers} == {"ConfigureSuccess"}
    assert [m.get("keyterms") for m in answers] == [None, ["moon base", "crew"], [], None, None]


def test_a_configure_that_cannot_be_done_is_refused_as_a_whole(running):
    answers = configured(
        running,
        {"features": {"numerals": True, "punctuate": True}},
        {"keyterms": ["one two three"] * 167},
    )
    check("v1/listen", answers)
    assert [m["code"] for m in answers] == ["CONFIGURE_INTERNAL_ERROR", "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"]
    assert "'punctuate'" in answers[0]["description"]


@pytest.mark.parametrize("fields", [{"features": ["numerals"]}, {"features": {"numerals": 1}}, {"keyterms": "crew"}])
def test_a_configure_of_another_shape_is_no_message(running, fields):
    (answer,) = configured(running, fields)
    assert answer["type"] == "Error" and answer["variant"] == "SchemaError"


@pytest.mark.parametrize(("split", "count"), [("0.2", 4), ("0.8", 3), ("5", 1)])
def test_a_pause_as_long_as_utt_split_parts_utterances(running, split, count):
    found = whole(running, f"utterances=true&utt_split={split}")["results"]["utterances"]
    assert len(found) == count
    assert " ".join(u["transcript"] for u in found).split()[:3] == ["and", "so", "my"]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "file"])
@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("model=nova-2", "No such model/language/tier combination found"),
        ("model=aura-2-thalia-en", "No such model/language/tier combination found"),
        ("model=nova-3&language=es", "No such model/language/tier combination found"),
        ("model=nova-3&language=multi", "No such model/language/tier combination found"),
        ("model=general&tier=nova", "No such model/language/tier combination found"),
        ("model=nova-3&version=2021-01-01.1", "2021-01-01.1"),
        ("detect_entities=true", "detect_entities"),
        ("numerals=perhaps", "numerals"),
        ("replace=:x", "replace"),
        ("callback=ftp://127.0.0.1/x", "callback"),
        ("callback=http://127.0.0.1/x&callback_method=delete", "callback_method"),
        ("diarize_model=latest&diarize=true", "diarize_model"),
    ],
)
def test_what_the_listing_does_not_have_is_refused(running, stream, asked, reason):
    query = asked + ("&encoding=linear16&sample_rate=16000" if stream else "")
    assert reason in refusal(running, query, stream=stream)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("summarize=v2", "summarize"),
        ("topics=true", "topics"),
        ("intents=true", "intents"),
        ("sentiment=true", "sentiment"),
        ("detect_language=true", "detect_language"),
        ("detect_language=es", "detect_language"),
        ("custom_topic=weather", "custom_topic"),
        ("custom_intent=leave", "custom_intent"),
        ("utterances=true&utt_split=-1", "utt_split"),
        ("utt_split=soon", "utt_split"),
    ],
)
def test_an_analysis_without_a_model_is_refused(running, asked, reason):
    assert reason in refusal(running, asked, stream=False)


@pytest.mark.parametrize("asked", ["summarize=false", "topics=false", "language=en-GB", "model=nova-3-general"])
def test_what_asks_for_nothing_more_is_answered(running, asked):
    assert whole(running, asked)["results"]["channels"]
    assert running.lease.log_lines == []


def test_what_is_taken_without_effect_is_named_in_the_containers_log(running):
    run(say(running.url, PCM[:32000], query=QUERY + "&keyterm=country&diarize=true&redact=name&redact=numbers"))
    (line,) = running.lease.log_lines
    assert line.startswith("WARN diarize, keyterm, redact=name: ") and "changes nothing" in line


class Receiver(http.server.BaseHTTPRequestHandler):
    got: list

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append((self.command, self.path, json.loads(body)))
        self.send_response(200)
        self.end_headers()

    do_PUT = do_POST

    def log_message(self, *args):
        """Quiet."""


@pytest.fixture
def receiver():
    handler = type("OneReceiver", (Receiver,), {"got": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/results", handler.got
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("method", ["post", "put"])
def test_a_files_results_go_to_its_callback(running, receiver, method):
    url, got = receiver
    told = whole(running, f"callback={url}&callback_method={method}&punctuate=true")
    assert list(told) == ["request_id"]
    until(lambda: got, "the callback")
    ((command, path, document),) = got
    assert (command, path) == (method.upper(), "/results")
    assert document["metadata"]["request_id"] == told["request_id"]
    assert document["results"]["channels"][0]["alternatives"][0]["transcript"] == bundled_sample().transcript


async def called_back(running, url, *, seconds=len(PCM) // 32000 + 1):
    stream = await connect(running.url, query=QUERY + f"&callback={url}")
    for at in range(0, len(PCM[: seconds * 32000]), 32000):
        await stream.send(PCM[at : at + 32000])
    await stream.control("CloseStream")
    await stream.end()
    return stream


def test_a_streams_results_go_to_its_callback_in_order(running, receiver):
    url, got = receiver
    stream = run(called_back(running, url))
    assert [list(m) for m in stream.untyped] == [["request_id"]] and stream.messages == []
    until(lambda: got and got[-1][2]["type"] == "Metadata", "the last message")
    messages = [document for _, _, document in got]
    assert transcript(messages) == bundled_sample().transcript
    assert messages[-1]["request_id"] == stream.untyped[0]["request_id"]


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def warnings(running):
    return [line for lease in running.placement.leases for line in lease.log_lines]


def test_an_address_that_is_no_plain_text_is_called_all_the_same(running, receiver):
    url, got = receiver
    told = whole(running, f"callback={url}/%C3%BC%0aWARN%20forged?a=%25C3")
    until(lambda: got, "the callback")
    assert got[0][1] == "/results/%C3%BC%0AWARN%20forged?a=%C3"
    assert got[0][2]["metadata"]["request_id"] == told["request_id"]
    assert warnings(running) == []


def test_an_address_is_one_line_of_the_log(running):
    whole(running, f"callback=http://127.0.0.1:{closed_port()}/%0aWARN%20forged%C2%85")
    whole(running, "callback=http://m%C3%BCnchen.example/%0d%0aWARN%20forged")
    until(lambda: len(warnings(running)) == 2, "both are logged")
    assert not any(len(line.splitlines()) > 1 for line in warnings(running))


@pytest.fixture
def waiting(monkeypatch):
    """What waits for the callbacks of this test, which are tried often."""
    monkeypatch.setattr(callbacks, "_RETRY_S", 0.02)
    monkeypatch.setattr(callbacks, "_held", HeldBytes(each=1 << 20, together=64 << 20))
    return callbacks._held


def test_deliveries_end_with_the_container(running, waiting):
    whole(running, f"callback=http://127.0.0.1:{closed_port()}/")
    until(lambda: warnings(running), "it was tried")
    assert waiting.total
    running.lease.alive = False
    until(lambda: waiting.total == 0, "nothing waits any more")
    assert len(warnings(running)) < 10


def test_what_ten_attempts_do_not_deliver_is_dropped_and_the_log_says_so(running, waiting):
    run(called_back(running, f"http://127.0.0.1:{closed_port()}/", seconds=1))
    until(lambda: len(warnings(running)) >= 11 and waiting.total == 0, "it is given up")
    assert "attempt 10" in warnings(running)[9] and "dropped" in warnings(running)[10]


def test_what_waits_for_a_callback_is_bounded_and_what_is_dropped_is_logged(running, monkeypatch):
    monkeypatch.setattr(callbacks, "_held", HeldBytes(each=2000, together=1 << 20))
    url = f"http://127.0.0.1:{closed_port()}/"
    run(called_back(running, url))
    until(lambda: any("documents are dropped" in line for line in warnings(running)), "some are dropped")
    assert callbacks._held.total <= 2000
    running.lease.alive = False


def test_callbacks_that_never_answer_leave_files_their_threads(running):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        for _ in range(16):
            whole(running, f"callback=http://127.0.0.1:{silent.getsockname()[1]}/")
        until(lambda: len(callbacks._calls._threads) == 8, "as many are called as there are threads for it")
        assert whole(running, "punctuate=true")["results"]["channels"]
        for lease in running.placement.leases:
            lease.alive = False


def test_no_callback_leaves_this_machine(running):
    assert list(whole(running, "callback=https://example.com/results")) == ["request_id"]
    assert "network isolation" in running.lease.log_lines[-1]


def test_without_close_stream_what_was_said_is_final_within_five_seconds(serve):
    pytest.importorskip("moonshine_voice")
    running = serve(SpeechEngine(workers=1), limits=Limits(idle_s=WAIT_S))
    spans = [(0.3, 2.2), (3.2, 4.5), (5.35, 7.75), (8.15, 10.6)]
    unpaused = b"".join(PCM[int(a * 16000) * 2 : int(b * 16000) * 2] for a, b in spans) * 2
    seconds = len(unpaused) / 32000

    async def scene():
        stream = await connect(running.url, query=QUERY)
        for at in range(0, len(unpaused), 3200):
            await stream.send(unpaused[at : at + 3200])
        await stream.until(lambda messages: messages and cursor(messages[-1]) > seconds - 0.5)
        await stream.close()
        await stream.end()
        return stream.messages

    messages = run(scene())
    finals = [m for m in messages if m["is_final"]]
    assert finals and cursor(finals[-1]) > seconds - 5.5
    assert max(m["duration"] for m in finals) <= 5.0
    _check_segments(messages)


def test_words_of_real_speech_lie_inside_their_segment_and_segments_do_not_overlap(serve):
    pytest.importorskip("moonshine_voice")
    _check_segments(run(say(serve(SpeechEngine(workers=1)).url, PCM * 2)))


def _check_segments(messages):
    results = [m for m in messages if m["type"] == "Results"]
    for message in results:
        words = message["channel"]["alternatives"][0]["words"]
        assert all(message["start"] - 1e-3 <= w["start"] <= w["end"] <= cursor(message) + 1e-3 for w in words)
        assert all(a["end"] <= b["start"] + 1e-3 for a, b in pairwise(words))
    finals = [m for m in results if m["is_final"]]
    assert len(finals) > 1
    assert all(two["start"] == pytest.approx(cursor(one), abs=1e-3) for one, two in pairwise(finals))


def cursor(message):
    return message["start"] + message["duration"] if message["type"] == "Results" else 0.0


def test_what_a_measurement_asks_for_is_answered(running):
    asked = {**NOVA.defaults, **NOVA.fixed, "sample_rate": "16000"}
    messages = run(say(running.url, PCM, query="&".join(f"{n}={v}" for n, v in asked.items())))
    assert transcript(messages) == bundled_sample().transcript and running.lease.log_lines == []
