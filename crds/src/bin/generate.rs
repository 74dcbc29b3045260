//! Writes what is generated from the types: `crds/recruitmentdrives.yaml`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match ras_crds::schema::custom_resource_definition_yaml() {
        Ok(yaml) => match std::fs::write(Path::new("crds/recruitmentdrives.yaml"), yaml) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(_) => ExitCode::FAILURE,
    }
}
