"""My client survives scaling: four calls on two instances, one of which goes while they talk."""

import asyncio

from captions import captions, live

from dgsm_helpers.deploy import bundled_recording


def test_no_word_is_lost_when_an_instance_is_removed(embedded_aws):
    endpoint, recording = embedded_aws.endpoint(instances=2), bundled_recording()

    async def four_calls():
        heard = [asyncio.Event() for _ in range(4)]
        audio = [live(recording.pcm, recording.sample_rate) for _ in heard]
        calls = zip(audio, heard, strict=True)
        held = [captions(endpoint.workbook, a, recording.sample_rate, lambda _, e=e: e.set()) for a, e in calls]
        answers = asyncio.gather(*held)
        await asyncio.gather(*(event.wait() for event in heard))
        await asyncio.to_thread(endpoint.scale, 1)
        return await answers

    answers = asyncio.run(four_calls())
    assert [recording.word_error_rate(answer.text) for answer in answers] == [0, 0, 0, 0]
    assert sum(answer.hand_overs for answer in answers) > 0
