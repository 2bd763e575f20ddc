// Sends a recording through AWS's JavaScript SDK (InvokeEndpoint) and prints as JSON what came back.
// Address, region, credentials and the authority to trust come from the environment alone.

const { readFileSync } = require("node:fs");
const { InvokeEndpointCommand, SageMakerRuntimeClient } = require("@aws-sdk/client-sagemaker-runtime");
const { version } = require("@aws-sdk/client-sagemaker-runtime/package.json");

async function main() {
  const [endpoint, path, file] = process.argv.slice(2);
  const got = { client: version, body: null, contentType: null, variant: null, error: null };
  const request = new InvokeEndpointCommand({
    EndpointName: endpoint,
    ContentType: "audio/wav",
    Body: readFileSync(file),
    ...(path ? { CustomAttributes: path } : {}),
  });
  try {
    const answer = await new SageMakerRuntimeClient({ maxAttempts: 1 }).send(request);
    got.body = JSON.parse(Buffer.from(answer.Body).toString("utf8"));
    got.contentType = answer.ContentType;
    got.variant = answer.InvokedProductionVariant;
  } catch (error) {
    got.error = {
      name: error.name,
      message: error.message,
      status: error.$metadata?.httpStatusCode,
      originalStatus: error.OriginalStatusCode,
      originalMessage: error.OriginalMessage,
      logStream: error.LogStreamArn,
    };
  }
  console.log(JSON.stringify(got));
}

main();
