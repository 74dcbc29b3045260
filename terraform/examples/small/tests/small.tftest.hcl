mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  administrators      = { platform = "arn:aws:iam::111122223333:role/platform" }
  public_access_cidrs = ["203.0.113.0/24"]
}

run "the_example_is_whole_and_hands_over" {
  assert {
    condition     = yamldecode(output.platform_yaml).objectStore.bucketPrefix == "ras"
    error_message = output.platform_yaml
  }
}
