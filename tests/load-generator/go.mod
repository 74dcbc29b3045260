module ras.dev/load-generator

go 1.26
