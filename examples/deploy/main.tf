# A function (function.zip) with the extension as a layer, for Terraform and OpenTofu. From here, after `examples/build basic`:
#
#   terraform init && terraform apply -var role=arn:aws:iam::123456789012:role/lambda

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "role" {
  description = "The function's role"
  type        = string
}

variable "function" {
  description = "The function's archive"
  type        = string
  default     = "function.zip"
}

resource "aws_lambda_layer_version" "extension" {
  layer_name               = "basic"
  filename                 = "${path.module}/../../target/layers/basic.zip"
  source_code_hash         = filebase64sha256("${path.module}/../../target/layers/basic.zip")
  compatible_architectures = ["x86_64", "arm64"]
}

resource "aws_lambda_function" "function" {
  function_name = "function-with-extension"
  role          = var.role
  runtime       = "provided.al2023"
  architectures = ["arm64"]
  handler       = "handler"
  filename      = var.function
  layers        = [aws_lambda_layer_version.extension.arn]
}
