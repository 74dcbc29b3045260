use std::{fmt::Write as _, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{ObjectStore, secret};
use crate::Error;

const ANSWER_LIMIT: Duration = Duration::from_secs(20);
const ALL_RIGHTS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

impl ObjectStore {
    /// Creates a user with all permissions, and then enforces authentication. Before that, moto accepts any
    /// credentials.
    pub(super) async fn enforce(&self) -> Result<(String, String), Error> {
        self.moto_user(ALL_RIGHTS).await
    }

    /// Makes an IAM user. moto makes up the credentials itself, as AWS does.
    pub(super) async fn moto_user(&self, policy: &str) -> Result<(String, String), Error> {
        let name = format!("user-{}", secret::random::<4>()?);
        self.check_after("inf").await?;
        self.iam(&[("Action", "CreateUser"), ("UserName", &name)]).await?;
        let put = [
            ("Action", "PutUserPolicy"),
            ("UserName", &name),
            ("PolicyName", "test"),
            ("PolicyDocument", policy),
        ];
        self.iam(&put).await?;
        let answer = self.iam(&[("Action", "CreateAccessKey"), ("UserName", &name)]).await?;
        self.check_after("0").await?;
        let within = |tag: &str| {
            let (_, rest) = answer.split_once(&format!("<{tag}>"))?;
            rest.split_once('<').map(|(value, _)| value.to_owned())
        };
        within("AccessKeyId")
            .zip(within("SecretAccessKey"))
            .ok_or_else(|| self.error(format!("no credentials in {answer}")))
    }

    /// Makes a KMS key, and says its ARN.
    pub(super) async fn moto_kms_key(&self) -> Result<String, Error> {
        if self.site.options.enforcing {
            self.check_after("inf").await?;
        }
        let headers = "Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: TrentService.CreateKey\r\n";
        let answer = self.post("kms", "/", headers, "{}").await?;
        if self.site.options.enforcing {
            self.check_after("0").await?;
        }
        let key: serde_json::Value =
            serde_json::from_str(&answer).map_err(Error::unreadable("what moto answered to CreateKey"))?;
        let arn = key.pointer("/KeyMetadata/Arn").and_then(|arn| arn.as_str());
        arn.map(str::to_owned)
            .ok_or_else(|| self.error(format!("no ARN in {answer}")))
    }

    /// How many more requests are not checked: `0` or `inf`.
    async fn check_after(&self, requests: &str) -> Result<(), Error> {
        let headers = "Content-Type: text/plain\r\n";
        self.post("iam", "/moto-api/reset-auth", headers, requests)
            .await
            .map(drop)
    }

    async fn iam(&self, fields: &[(&str, &str)]) -> Result<String, Error> {
        let fields = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value)));
        let body = format!("Version=2010-05-08&{}", fields.collect::<Vec<_>>().join("&"));
        let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.post("iam", "/", headers, &body).await
    }

    /// moto distinguishes services by the scope of the signature. The signature itself is not checked yet.
    async fn post(&self, service: &str, path: &str, headers: &str, body: &str) -> Result<String, Error> {
        let request = format!(
            // HTTP/1.0, so that the server closes after the body.
            "POST {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n{headers}Content-Length: {length}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=none/20260101/{region}/{service}/aws4_request, \
             SignedHeaders=host, Signature=none\r\n\r\n{body}",
            port = self.port(),
            length = body.len(),
            region = self.region(),
        );
        let answer = timeout(ANSWER_LIMIT, exchange(self.port(), request.as_bytes())).await;
        let text = answer
            .map_err(|_| self.error(format!("no answer from {service}")))?
            .map_err(Error::io(format!("asking moto's {service}")))?;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        if head.split(' ').nth(1) == Some("200") {
            Ok(body.to_owned())
        } else {
            Err(self.error(text))
        }
    }
}

async fn exchange(port: u16, request: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

/// A value within a form: everything but letters and digits as `%XX`.
fn escaped(value: &str) -> String {
    value.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}
