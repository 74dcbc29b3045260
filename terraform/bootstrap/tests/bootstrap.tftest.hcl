mock_provider "aws" {
  source = "../tests/mocks"
}

variables {
  name   = "campus"
  region = "ap-south-1"
}

run "the_other_folders_are_told_where_their_state_is" {
  assert {
    condition     = output.backend == "bucket = \"campus-state-111122223333\"\nregion = \"ap-south-1\"\n"
    error_message = output.backend
  }
}

run "a_region_that_is_none_is_refused" {
  command = plan
  variables {
    region = "Mumbai"
  }
  expect_failures = [var.region]
}
