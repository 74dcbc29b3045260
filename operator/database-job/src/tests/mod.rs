mod planning;
mod server;
