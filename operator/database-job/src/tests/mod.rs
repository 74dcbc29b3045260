//! Plans, tried on a model of a server.

mod planning;
mod server;
