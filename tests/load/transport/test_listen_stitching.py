"""Results of several sessions as one transcript; whole calls are in `test_continued_stream`."""

from __future__ import annotations

from dgsm_helpers.load.transport.listen_stitching import MOST_OVERLAP_S, ListenTranscript


def results(start_s, end_s, *words, final=True, channel=0, channels=1):
    heard = [{"word": w.lower(), "punctuated_word": w, "start": s, "end": e, "confidence": 1} for w, s, e in words]
    best = {"transcript": " ".join(w for w, _, _ in words), "words": heard, "confidence": 1}
    return {
        "type": "Results",
        "channel_index": [channel, channels],
        "start": start_s,
        "duration": end_s - start_s,
        "is_final": final,
        "channel": {"alternatives": [best]},
    }


def told(message):
    return message["channel"]["alternatives"][0]["transcript"]


def test_a_word_that_was_cut_through_is_heard_whole_by_the_next_session():
    transcript = ListenTranscript()
    first = transcript.joint(0.0)
    first.hand_on(results(0, 5, ("Ask", 3.0, 3.2), ("not", 3.4, 3.7)))
    assert transcript.replay_from_s < 3.0 < transcript.answered_s == 5
    second = transcript.joint(transcript.replay_from_s)
    offset = second.offset_s
    message = second.hand_on(
        results(
            0,
            4,
            ("Ask", 3.0 - offset, 3.2 - offset),
            ("not", 3.4 - offset, 3.7 - offset),
            ("what", 4.8 - offset, 5.2 - offset),
        )
    )
    assert told(message) == "what"
    assert (message["start"], message["channel"]["alternatives"][0]["words"][0]["start"]) == (5, 4.8)


def test_after_a_long_pause_little_is_heard_again():
    transcript = ListenTranscript()
    joint = transcript.joint(0.0)
    joint.hand_on(results(0, 2, ("Ask", 0.5, 1.0)))
    joint.hand_on(results(2, 30))
    assert transcript.replay_from_s == 30 - MOST_OVERLAP_S


def test_channels_are_joined_apart_and_the_one_that_is_behind_decides_where_to_begin():
    transcript = ListenTranscript()
    joint = transcript.joint(0.0)
    joint.hand_on(results(0, 4, ("left", 1.0, 1.5), channel=0, channels=2))
    joint.hand_on(results(0, 2, ("right", 0.5, 0.9), channel=1, channels=2))
    assert (transcript.answered_s, transcript.shown_s) == (2, 2)
    again = transcript.joint(0.4)
    left = again.hand_on(results(0, 5, ("left", 0.6, 1.1), ("on", 4.1, 4.4), channel=0, channels=2))
    right = again.hand_on(results(0, 5, ("right", 0.1, 0.5), ("on", 2.1, 2.4), channel=1, channels=2))
    assert (told(left), left["start"], told(right), right["start"]) == ("on", 4, "on", 2)


def test_a_channel_of_which_nothing_was_heard_yet_is_heard_from_its_beginning():
    transcript = ListenTranscript()
    transcript.joint(0.0).hand_on(results(0, 4, ("left", 1.0, 1.5), channel=0, channels=2))
    assert (transcript.answered_s, transcript.replay_from_s) == (0, 0)


def test_interim_results_never_fall_behind_what_was_shown():
    transcript = ListenTranscript()
    first = transcript.joint(0.0)
    first.hand_on(results(0, 3, ("Ask", 0.5, 1.0), final=False))
    second = transcript.joint(0.0)
    assert second.hand_on(results(0, 2, ("Ask", 0.5, 1.0), final=False)) is None
    assert told(second.hand_on(results(0, 3.5, ("Ask", 0.5, 1.0), final=False))) == "Ask"


def test_events_go_on_in_the_calls_time_and_come_once():
    transcript = ListenTranscript()
    first = transcript.joint(0.0)
    started, ended = (
        {"type": "SpeechStarted", "channel": [0, 1], "timestamp": 0.5},
        {"type": "UtteranceEnd", "channel": [0, 1]},
    )
    assert first.hand_on(started) == started
    first.hand_on(results(0, 3, ("Ask", 0.5, 1.0)))
    assert first.hand_on({**ended, "last_word_end": 1.0})["last_word_end"] == 1.0
    second = transcript.joint(0.4)
    assert second.hand_on({**started, "timestamp": 0.1}) is None
    assert second.hand_on({**ended, "last_word_end": 0.6}) is None
    assert second.hand_on({**started, "timestamp": 4.0})["timestamp"] == 4.4
    assert second.hand_on({**ended, "last_word_end": 5.0})["last_word_end"] == 5.4
    assert second.hand_on({**ended, "last_word_end": -1}) == {**ended, "last_word_end": -1}


def started(at_s, **more):
    return {"type": "SpeechStarted", "channel": [0, 1], "timestamp": at_s, **more}


def test_speech_that_starts_within_what_was_shown_is_told():
    transcript = ListenTranscript()
    first = transcript.joint(0.0)
    assert first.hand_on(started(0.5))
    first.hand_on(results(0, 2, ("Ask", 0.5, 1.0)))
    second = transcript.joint(0.4)
    assert second.hand_on(started(0.1)) is None
    # Interim results without a word go past the beginning of the next one before anything notices it.
    second.hand_on(results(0, 4.0, ("Ask", 0.1, 0.6), final=False))
    assert second.hand_on(started(3.6))["timestamp"] == 4.0
    second.hand_on(results(0, 5, ("Ask", 0.1, 0.6), ("not", 3.6, 4.0)))
    assert second.hand_on(started(4.6))["timestamp"] == 5.0


def test_speech_that_started_before_a_cut_is_told_once_though_two_sessions_time_it_apart():
    transcript = ListenTranscript()
    first = transcript.joint(0.0)
    first.hand_on(results(0, 2, ("Ask", 0.5, 1.0)))
    assert first.hand_on(started(3.0))
    second = transcript.joint(0.4)
    assert second.hand_on(started(2.64)) is None
    assert second.hand_on(started(3.2))["timestamp"] == 3.6


def test_speech_that_a_session_only_hears_again_has_not_started_anew():
    transcript = ListenTranscript()
    first = transcript.joint(0.0)
    assert first.hand_on(started(0.5))
    first.hand_on(results(0, 5, ("Ask", 0.5, 1.0), ("not", 3.6, 4.1), ("what", 4.4, 4.8)))
    assert transcript.joint(transcript.replay_from_s).hand_on(started(0.1)) is None


def test_an_event_may_come_after_the_result_of_its_word():
    transcript = ListenTranscript()
    joint = transcript.joint(0.0)
    joint.hand_on(results(0, 2, ("Ask", 0.5, 1.0)))
    assert joint.hand_on(started(0.5))["timestamp"] == 0.5


def test_speech_starts_are_told_apart_by_channel():
    transcript = ListenTranscript()
    first = transcript.joint(0.0)
    assert first.hand_on(started(3.0, channel=[0, 2]))
    second = transcript.joint(0.0)
    assert second.hand_on(started(3.0, channel=[0, 2])) is None
    assert second.hand_on(started(3.0, channel=[1, 2]))


def test_the_end_of_an_utterance_is_told_once_though_two_sessions_time_it_apart():
    transcript = ListenTranscript()
    ended = {"type": "UtteranceEnd", "channel": [0, 1]}
    first = transcript.joint(0.0)
    first.hand_on(results(0, 3, ("Ask", 0.5, 1.0)))
    assert first.hand_on({**ended, "last_word_end": 1.0})
    second = transcript.joint(0.4)
    assert second.hand_on({**ended, "last_word_end": 0.63}) is None
    assert second.hand_on({**ended, "last_word_end": 3.0})["last_word_end"] == 3.4


def test_what_search_found_is_told_in_the_calls_time_and_once():
    def searched(*hits, **result):
        message = results(0, 5, ("Ask", 1.1, 1.5), ("order", 4.5, 4.9), **result)
        found = [
            {"query": "order", "hits": [{"confidence": 0.9, "start": a, "end": b, "snippet": "x"} for a, b in hits]}
        ]
        return {**message, "channel": {**message["channel"], "search": found}}

    def hits(message):
        return [(hit["start"], hit["end"], hit["snippet"]) for hit in message["channel"]["search"][0]["hits"]]

    transcript = ListenTranscript()
    assert hits(transcript.joint(0.0).hand_on(searched((4.5, 4.9)))) == [(4.5, 4.9, "x")]
    again = searched((0.5, 0.9), (3.0, 3.4))
    assert hits(transcript.joint(4.0).hand_on(again)) == [(7.0, 7.4, "x")]
    assert "search" not in transcript.joint(9.0).hand_on(results(0, 5, ("not", 2.0, 2.5)))["channel"]


def test_other_messages_pass_as_they_are():
    message = {"type": "Warning", "description": "as the model says"}
    assert ListenTranscript().joint(3.0).hand_on(message) is message
