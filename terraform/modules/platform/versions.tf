terraform {
  # 1.9 is the first that lets a validation look at other variables.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # The oldest version that the tests ran with, and no major version that they did not.
      version = ">= 6.34.0, < 7.0.0"
    }
  }
}
