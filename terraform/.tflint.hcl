# All rules that are built in; none needs a download.
plugin "terraform" {
  enabled = true
  preset  = "all"
}
