//! A relay between the adapter and the stand-in. It stores each response, repeats it for the same
//! request, and returns a mutated one if a test requests it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A relay on its own port. It listens until the process ends.
pub struct Relay {
    address: SocketAddr,
    upstream: SocketAddr,
    state: Arc<Mutex<RelayState>>,
}

#[derive(Default)]
struct RelayState {
    /// Indexed by request: method and path, the header `X-Amz-Target`, and the body.
    responses: BTreeMap<String, String>,
    changed: Option<(String, String)>,
    requests: BTreeSet<String>,
}

impl Relay {
    pub fn start(upstream: SocketAddr) -> Self {
        Self::with(upstream, RelayState::default())
    }

    /// Creates another relay with the same responses.
    pub fn another(&self) -> Self {
        let responses = self.state.lock().unwrap().responses.clone();
        Self::with(self.upstream, RelayState { responses, ..RelayState::default() })
    }

    fn with(upstream: SocketAddr, state: RelayState) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.unwrap(), shared.clone());
                std::thread::spawn(move || serve(stream, upstream, &state));
            }
        });
        Self { address, upstream, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, responds to `request` with `body`, and to all other requests with the original
    /// response.
    pub fn mutate(&self, request: &str, body: &str) {
        self.state.lock().unwrap().changed = Some((request.to_owned(), body.to_owned()));
    }

    pub fn forget_requests(&self) {
        self.state.lock().unwrap().requests.clear();
    }

    /// The requests since they were last cleared.
    pub fn requests(&self) -> BTreeSet<String> {
        self.state.lock().unwrap().requests.clone()
    }

    /// All successful responses by request.
    pub fn responses(&self) -> BTreeMap<String, String> {
        self.state.lock().unwrap().responses.clone()
    }
}

/// The name of the call in a request.
pub fn call_of(request: &str) -> String {
    let action = request.split_once("Action=").and_then(|(_, rest)| rest.split('&').next());
    let path = || request.split_whitespace().nth(1).unwrap_or_default();
    let target = request.lines().nth(1).filter(|target| !target.is_empty());
    let rule = || path().strip_prefix("/rules/").map(|_| "/rules/ID");
    action.or(target).or_else(rule).unwrap_or_else(path).to_owned()
}

/// Responds to the requests on one connection until it is closed.
fn serve(stream: TcpStream, upstream: SocketAddr, state: &Mutex<RelayState>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some((head, body)) = message(&mut reader) {
        let line = head.lines().next().unwrap_or_default();
        let place = line.trim_end_matches(" HTTP/1.1");
        let request = format!("{place}\n{}\n{body}", header(&head, "x-amz-target"));
        let known = {
            let mut state = state.lock().unwrap();
            state.requests.insert(request.clone());
            match &state.changed {
                Some((changed, body)) if *changed == request => Some(body.clone()),
                _ => state.responses.get(&request).cloned(),
            }
        };
        let (status, answer) = match known {
            Some(answer) => ("200 OK".to_owned(), answer),
            None => forward(upstream, &head, &body),
        };
        if status.starts_with("200") && state.lock().unwrap().changed.is_none() {
            state.lock().unwrap().responses.insert(request, answer.clone());
        }
        let kind =
            if answer.trim_start().starts_with('<') { "text/xml" } else { "application/json" };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}",
            answer.len()
        );
        // In one write: a second one would wait until the client acknowledges the first.
        if stream.write_all(format!("{head}\r\n\r\n{answer}").as_bytes()).is_err() {
            return;
        }
    }
}

/// Sends the same request to the stand-in.
fn forward(upstream: SocketAddr, head: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(upstream).unwrap();
    let head: Vec<&str> =
        head.lines().filter(|line| !line.to_lowercase().starts_with("connection:")).collect();
    write!(stream, "{}\r\nConnection: close\r\n\r\n{body}", head.join("\r\n")).unwrap();
    let (head, body) = message(&mut BufReader::new(stream)).unwrap();
    let status = head.lines().next().unwrap_or_default().split_once(' ').unwrap().1.to_owned();
    (status, body)
}

/// The head and the body of a message. `None` if the connection ends.
fn message(reader: &mut impl BufRead) -> Option<(String, String)> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim_end().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let length = header(&head, "content-length").parse().unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).unwrap()))
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    found.next().map_or("", |(_, value)| value.trim())
}
