module ras.dev/visitors

go 1.26
