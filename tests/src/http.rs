//! A minimal HTTP client for the control endpoint of the stand-in.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends a request with a JSON body and returns the body of the response.
///
/// # Panics
/// If the status of the response is not 200, because the test cannot continue.
pub async fn request(server: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(server).await.expect("the stand-in listens");
    stream.write_all(request.as_bytes()).await.expect("the stand-in reads");
    // The server closes the connection after its response, so the length of the body is not needed.
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the stand-in answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    assert_eq!(status, "200", "{method} {path}: {body}");
    body.to_owned()
}
