// Describes an endpoint, lets it scale, looks at the policy's alarms and takes all of it away again, through AWS's
// JavaScript SDK; prints as JSON what came back. Address, region and credentials come from the environment alone.

const { DescribeEndpointCommand, SageMakerClient } = require("@aws-sdk/client-sagemaker");
const scaling = require("@aws-sdk/client-application-auto-scaling");
const { CloudWatchClient, DescribeAlarmsCommand } = require("@aws-sdk/client-cloudwatch");

async function main() {
  const [endpoint, least] = process.argv.slice(2);
  const target = {
    ServiceNamespace: "sagemaker",
    ResourceId: `endpoint/${endpoint}/variant/AllTraffic`,
    ScalableDimension: "sagemaker:variant:DesiredInstanceCount",
  };
  const policy = {
    PolicyName: "from-javascript",
    PolicyType: "TargetTrackingScaling",
    TargetTrackingScalingPolicyConfiguration: {
      TargetValue: 7.5,
      PredefinedMetricSpecification: {
        PredefinedMetricType: "SageMakerVariantConcurrentRequestsPerModelHighResolution",
      },
    },
  };
  const client = new scaling.ApplicationAutoScalingClient({ maxAttempts: 1 });
  const got = { error: null };
  try {
    const described = await new SageMakerClient({ maxAttempts: 1 }).send(
      new DescribeEndpointCommand({ EndpointName: endpoint }),
    );
    got.status = described.EndpointStatus;
    got.made = described.CreationTime instanceof Date;
    await client.send(
      new scaling.RegisterScalableTargetCommand({ ...target, MinCapacity: Number(least), MaxCapacity: 4 }),
    );
    const put = await client.send(new scaling.PutScalingPolicyCommand({ ...target, ...policy }));
    const names = put.Alarms.map((alarm) => alarm.AlarmName);
    const alarms = await new CloudWatchClient({ maxAttempts: 1 }).send(new DescribeAlarmsCommand({ AlarmNames: names }));
    got.thresholds = alarms.MetricAlarms.map((alarm) => alarm.Threshold).sort((a, b) => a - b);
    const wanted = { ServiceNamespace: "sagemaker", ResourceIds: [target.ResourceId] };
    got.targets = (await client.send(new scaling.DescribeScalableTargetsCommand(wanted))).ScalableTargets.length;
    await client.send(new scaling.DeregisterScalableTargetCommand(target));
    got.left = (await client.send(new scaling.DescribeScalingPoliciesCommand(target))).ScalingPolicies.length;
  } catch (error) {
    got.error = { name: error.name, message: error.message, status: error.$metadata?.httpStatusCode };
  }
  console.log(JSON.stringify(got));
}

main();
