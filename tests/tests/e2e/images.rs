//! The images that pods of the tests run.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use ras_tests::{
    Error, Image,
    control_plane::{KubernetesVersion, Tools},
};

use crate::installed::Version;

/// Image of a shell.
pub const BUSYBOX: &str = "localhost/busybox:1";
/// The stand-in portal in two versions, which are one program under two names.
pub const PORTAL: [&str; 2] = ["localhost/portal:1", "localhost/portal:2"];
/// The same program as a portal's back end, file server and front end, and as a mail server to send to.
pub const BACKEND: &str = "localhost/portal-backend:1";
pub const CDN: &str = "localhost/portal-cdn:1";
pub const FRONTEND: &str = "localhost/portal-frontend:1";
pub const SMTP: &str = "localhost/portal-smtp:1";
/// A version of it that crashes: it cannot listen where it is told to.
pub const BROKEN_PORTAL: &str = "localhost/portal:broken";
/// Who asks a service all the time.
pub const LOAD_GENERATOR: &str = "localhost/load-generator:1";

/// The operator's repository, by which it knows itself when nobody names its image.
const OPERATOR: &str = "docker.io/library/ras-operator";

/// Debian's PostgreSQL by the conventions of the official image. The operator puts the major version behind it.
pub const POSTGRESQL: &str = "localhost/postgres";
/// Debian's Valkey, with the official image's user.
pub const VALKEY: &str = "localhost/valkey:8";
/// An S3 server.
pub const OBJECT_STORE: &str = "localhost/versitygw:1";
/// The operator of External Secrets.
pub const EXTERNAL_SECRETS: &str = "localhost/external-secrets:0.10.7";

/// The operator of CloudNativePG, and Debian's PostgreSQL by its conventions; the major version is put behind it.
pub const CLOUD_NATIVE_PG: &str = "localhost/cloudnative-pg:1.27.0";
pub const CLOUD_NATIVE_PG_SERVER: &str = "localhost/postgresql";

/// Major version of Debian's PostgreSQL. From 16 on the membership in a role says what a member may do.
pub const POSTGRESQL_VERSION: u32 = 17;

/// The official image's user `postgres`.
const OFFICIAL_POSTGRES: u32 = 999;
/// The official image's user `valkey`.
const OFFICIAL_VALKEY: u32 = 999;
/// The user `postgres` in CloudNativePG's images, and the user of its operator.
const CLOUD_NATIVE_PG_POSTGRES: u32 = 26;
const CLOUD_NATIVE_PG_USER: u32 = 10001;
/// Numbers that are no user's.
const NOBODY: u32 = 65534;
const NONROOT: u32 = 65532;

/// CA certificates for clients.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Writes all of them into a folder.
pub fn write(folder: &Path, first: &Version) -> Result<Vec<PathBuf>, Error> {
    let tools = Tools::real_node()?;
    let mut images = vec![
        operator(folder, first)?,
        operator(folder, &first.next())?,
        busybox(&tools, folder)?,
        servers(&tools, folder)?,
        external_secrets(folder)?,
        cloud_native_pg(&tools, folder)?,
    ];
    images.push(object_store(folder)?);
    for (number, name) in (1..).zip(PORTAL) {
        images.push(portal(&tools, folder, name, number, &[])?);
    }
    for (name, command) in [(BACKEND, "backend"), (CDN, "cdn"), (SMTP, "smtp")] {
        images.push(portal(&tools, folder, name, 1, &[command])?);
    }
    images.push(portal(&tools, folder, FRONTEND, 1, &["show", "3000"])?);
    images.push(portal(&tools, folder, BROKEN_PORTAL, 3, &["show", "nowhere"])?);
    let load_generator = Image::new(LOAD_GENERATOR)
        .file("/load-generator", &tools.path("load-generator")?)?
        .user(NOBODY)
        .entrypoint(&["/load-generator"]);
    images.push(load_generator.write(folder)?);
    Ok(images)
}

/// The same that a Dockerfile makes of it: the program, what it loads, and whom it trusts.
fn operator(folder: &Path, version: &Version) -> Result<PathBuf, Error> {
    // A debug build carries a hundred megabytes that only a debugger reads.
    let stripped = folder.join("ras-operator");
    run(Command::new("strip").arg("-o").arg(&stripped).arg(&version.program))?;
    Image::new(&format!("{OPERATOR}:{}", version.tag))
        .program("/ras-operator", &stripped)?
        .file(AUTHORITIES, Path::new(AUTHORITIES))?
        .user(NONROOT)
        .entrypoint(&["/ras-operator"])
        .write(folder)
}

/// All of them have the same layer, which a node unpacks once.
fn portal(tools: &Tools, folder: &Path, name: &str, version: u32, command: &[&str]) -> Result<PathBuf, Error> {
    Image::new(name)
        .file("/app/portal", &tools.path("portal")?)?
        .text("/app/beside", "a file of the image\n")
        .working_folder("/app")
        .environment(&[&format!("VERSION={version}")])
        .user(NOBODY)
        .entrypoint(&["/app/portal"])
        .command(command)
        .write(folder)
}

fn busybox(tools: &Tools, folder: &Path) -> Result<PathBuf, Error> {
    let mut image = Image::new(BUSYBOX)
        .file("/bin/busybox", &tools.path("servers/usr/bin/busybox")?)?
        .writable_folder("/tmp")
        .user(NOBODY)
        .environment(&["PATH=/bin"])
        .command(&["/bin/sh"]);
    let programs = [
        "cat", "cp", "echo", "grep", "hostname", "id", "ls", "mkdir", "nslookup", "rm", "sh", "sleep", "test", "touch",
        "wget",
    ];
    for name in programs {
        image = image.link(&format!("/bin/{name}"), "busybox");
    }
    image.write(folder)
}

/// Programs of a shell script, which the official image has from Debian's coreutils.
const SHELL: [&str; 31] = [
    "basename", "cat", "chmod", "cp", "cut", "date", "df", "dirname", "echo", "env", "find", "grep", "head", "id",
    "ln", "ls", "mkdir", "mktemp", "mv", "printf", "rm", "sed", "sh", "sleep", "sort", "stat", "tail", "test", "touch",
    "tr", "wc",
];

/// The one of these that Debian's busybox does not have.
const PRINTENV: &str = r#"#!/bin/sh
case $1 in *[!A-Za-z0-9_]*) exit 1 ;; esac
eval "[ -n \"\${$1+set}\" ]" && eval "printf '%s\n' \"\$$1\""
"#;

/// PostgreSQL by two conventions, and Valkey, in one layer: a node has a third of the bytes to read, and to forget.
fn servers(tools: &Tools, folder: &Path) -> Result<PathBuf, Error> {
    let programs = format!("/usr/lib/postgresql/{POSTGRESQL_VERSION}/bin");
    let mut image = Image::new(&format!("{POSTGRESQL}:{POSTGRESQL_VERSION}"))
        .tree(&tools.path("servers")?)?
        .text(
            "/etc/passwd",
            &format!(
                "root:x:0:0::/root:/bin/sh\npostgres:x:{OFFICIAL_POSTGRES}:{OFFICIAL_POSTGRES}::/tmp:/bin/sh\n\
                 postgres:x:{CLOUD_NATIVE_PG_POSTGRES}:{CLOUD_NATIVE_PG_POSTGRES}::/tmp:/bin/sh\n"
            ),
        )
        .text(
            "/etc/group",
            &format!("root:x:0:\npostgres:x:{OFFICIAL_POSTGRES}:\npostgres:x:{CLOUD_NATIVE_PG_POSTGRES}:\n"),
        )
        .writable_folder("/tmp")
        .writable_folder("/var/run/postgresql")
        .writable_folder("/var/lib/postgresql/data")
        .script(
            "/usr/local/bin/docker-entrypoint.sh",
            include_str!("docker-entrypoint.sh"),
        )
        .script("/usr/local/bin/printenv", PRINTENV)
        .environment(&[&format!("PATH=/usr/local/bin:{programs}:/usr/bin"), "LANG=C.UTF-8"])
        .user(OFFICIAL_POSTGRES)
        // As the official image has it: at SIGTERM the server would wait for its clients to go.
        .stop_signal("SIGINT")
        .entrypoint(&["docker-entrypoint.sh"])
        .command(&["postgres"]);
    for program in SHELL {
        image = image.link(&format!("/usr/bin/{program}"), "busybox");
    }
    image
        .and(&format!("{CLOUD_NATIVE_PG_SERVER}:{POSTGRESQL_VERSION}"))
        .user(CLOUD_NATIVE_PG_POSTGRES)
        .stop_signal("SIGTERM")
        .and(VALKEY)
        .user(OFFICIAL_VALKEY)
        .entrypoint(&[])
        .command(&["valkey-server"])
        .write(folder)
}

fn object_store(folder: &Path) -> Result<PathBuf, Error> {
    Image::new(OBJECT_STORE)
        .file("/versitygw", &Tools::object_stores()?.path("versitygw")?)?
        .user(NOBODY)
        .entrypoint(&["/versitygw"])
        .write(folder)
}

/// Its pods copy `/manager` into those of the servers, which look for the program of their processor in `/operator`.
fn cloud_native_pg(tools: &Tools, folder: &Path) -> Result<PathBuf, Error> {
    let processor = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let program = format!("operator/manager_{processor}");
    Image::new(CLOUD_NATIVE_PG)
        .file(&format!("/{program}"), &tools.path("cloudnative-pg")?)?
        .link("/manager", &program)
        .writable_folder("/tmp")
        .user(CLOUD_NATIVE_PG_USER)
        .entrypoint(&["/manager"])
        .write(folder)
}

fn external_secrets(folder: &Path) -> Result<PathBuf, Error> {
    let tools = Tools::find(KubernetesVersion::from_environment()?)?;
    Image::new(EXTERNAL_SECRETS)
        .file("/external-secrets", &tools.path("external-secrets")?)?
        .writable_folder("/tmp")
        .user(NONROOT)
        .entrypoint(&["/external-secrets"])
        .write(folder)
}

fn run(command: &mut Command) -> Result<(), Error> {
    let what = format!("running {command:?}");
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(Error::Io {
            what,
            message: String::from_utf8_lossy(&output.stderr).into_owned(),
        }),
        Err(error) => Err(Error::Io {
            what,
            message: error.to_string(),
        }),
    }
}
