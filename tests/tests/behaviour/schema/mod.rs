//! What the schema of the kind promises, for every drive it accepts: tests that traverse the schema or generate drives from it.

mod children;
mod cluster;
mod copy;
mod empty;
mod generate;
mod random;
mod sentences;
mod transitions;
