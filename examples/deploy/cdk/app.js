// A function with the extension as a layer, for the CDK. From this folder, after `examples/build basic`:
//
//   npm install && npx aws-cdk deploy --app 'node app.js'
import { App, Stack } from "aws-cdk-lib";
import { Architecture, Code, Function, LayerVersion, Runtime } from "aws-cdk-lib/aws-lambda";

const stack = new Stack(new App(), "FunctionWithExtension");

const extension = new LayerVersion(stack, "Extension", {
  layerVersionName: "basic",
  code: Code.fromAsset("../../../target/layers/basic.zip"),
  compatibleArchitectures: [Architecture.X86_64, Architecture.ARM_64],
});

new Function(stack, "Function", {
  runtime: Runtime.PYTHON_3_13,
  architecture: Architecture.ARM_64,
  handler: "index.handler",
  code: Code.fromInline("def handler(event, context):\n    return event\n"),
  layers: [extension],
});
