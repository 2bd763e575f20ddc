"""What alarms do when their state changes, as subscribers of a topic and readers of the history see it."""

import json

import boto3
import pytest

from embedded_aws.listings import ACCESS_KEY_ID, SECRET_ACCESS_KEY

TOPIC = "arn:aws:sns:us-east-1:123456789012:"
ALARM = {
    "AlarmName": "loud",
    "Namespace": "Own",
    "MetricName": "Load",
    "Dimensions": [{"Name": "Host", "Value": "a"}],
    "Statistic": "Average",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 10.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


@pytest.fixture
def other(service):
    """Clients of the services beside CloudWatch."""
    session = boto3.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name="us-east-1")
    return lambda name: session.client(name, endpoint_url=service.url)


@pytest.fixture
def inbox(other, request):
    """A topic of the test's own, and what its queue has received since the last look."""
    name = request.node.name.replace("[", "-").replace("]", "")[:60]
    sns, sqs = other("sns"), other("sqs")
    topic = sns.create_topic(Name=name)["TopicArn"]
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def received():
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    return topic, received


def lines(client, name="loud"):
    items = client.describe_alarm_history(AlarmName=name, HistoryItemType="Action")["AlarmHistoryItems"]
    return [(item["HistorySummary"], json.loads(item["HistoryData"])) for item in items]


def test_a_topic_gets_the_message_of_an_alarm_and_the_history_says_so(client, inbox):
    topic, received = inbox
    client.put_metric_alarm(**ALARM, AlarmActions=[topic], AlarmDescription="too loud")
    client.set_alarm_state(AlarmName="loud", StateValue="ALARM", StateReason="by hand")
    [mail] = received()
    assert mail["Subject"] == 'ALARM: "loud" in US East (N. Virginia)'
    told = json.loads(mail["Message"])
    assert (told["OldStateValue"], told["NewStateValue"]) == ("INSUFFICIENT_DATA", "ALARM")
    assert (told["NewStateReason"], told["AlarmDescription"]) == ("by hand", "too loud")
    assert told["Trigger"]["Dimensions"] == [{"value": "a", "name": "Host"}]
    assert (told["Trigger"]["Statistic"], told["Trigger"]["Threshold"]) == ("AVERAGE", 10.0)
    [(summary, data)] = lines(client)
    assert summary == f"Successfully executed action {topic}"
    assert (data["actionState"], data["notificationResource"]) == ("Succeeded", topic)


def test_each_state_has_its_own_actions_and_switched_off_there_are_none(client, inbox):
    topic, received = inbox
    client.put_metric_alarm(**ALARM, OKActions=[topic], InsufficientDataActions=[topic])

    def after(state):
        client.set_alarm_state(AlarmName="loud", StateValue=state, StateReason="by hand")
        return [json.loads(mail["Message"])["NewStateValue"] for mail in received()]

    assert [after(state) for state in ("ALARM", "OK", "INSUFFICIENT_DATA")] == [[], ["OK"], ["INSUFFICIENT_DATA"]]
    assert after("INSUFFICIENT_DATA") == [], "nothing has changed"
    client.disable_alarm_actions(AlarmNames=["loud"])
    assert after("OK") == []
    client.enable_alarm_actions(AlarmNames=["loud"])
    assert after("ALARM") == []
    assert after("OK") == ["OK"]


def test_an_evaluated_alarm_publishes_too(client, inbox, here, clock):
    topic, received = inbox
    client.put_metric_alarm(**ALARM, AlarmActions=[topic])
    here.store.put("Own", "Load", {"Host": "a"}, timestamp_s=clock.time_s, values=[21.5])
    clock.time_s += 60
    here.alarms.evaluate(clock.time_s)
    [mail] = received()
    assert json.loads(mail["Message"])["NewStateReason"] == (
        "Threshold Crossed: 1 datapoint [21.5 (24/11/26 12:00:00)] was greater than the threshold (10.0)."
    )


@pytest.mark.parametrize(
    "action",
    [f"{TOPIC}never-made", "arn:aws:lambda:us-east-1:123456789012:function:f", "arn:aws:automate:us-east-1:ec2:stop"],
)
def test_an_action_that_cannot_be_carried_out_fails_in_the_history(client, action):
    client.put_metric_alarm(**ALARM, AlarmActions=[action])
    client.set_alarm_state(AlarmName="loud", StateValue="ALARM", StateReason="by hand")
    [(summary, data)] = lines(client)
    assert summary.startswith(f"Failed to execute action {action}. Received error: ")
    assert data["actionState"] == "Failed"


def test_an_alarm_on_metric_math_names_its_metrics(client, inbox):
    topic, received = inbox
    stat = {"Metric": {"Namespace": "Own", "MetricName": "Load"}, "Period": 60, "Stat": "Sum"}
    client.put_metric_alarm(
        AlarmName="loud",
        Metrics=[{"Id": "m1", "MetricStat": stat, "ReturnData": False}, {"Id": "e", "Expression": "m1 * 2"}],
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[topic],
    )
    client.set_alarm_state(AlarmName="loud", StateValue="ALARM", StateReason="by hand")
    [mail] = received()
    trigger = json.loads(mail["Message"])["Trigger"]
    assert [one["Id"] for one in trigger["Metrics"]] == ["m1", "e"]
    assert "MetricName" not in trigger
