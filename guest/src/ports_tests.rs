//! What a host sees of a port: refusals, both directions and their ends, floods, and hosts that go away.
use super::*;
use crate::proto::frame::Body;
use crate::proto::{Frame, Input, WindowUpdate, input};
use crate::stream::Inbox;
use crate::wire::STREAM_WINDOW;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

struct Host {
    stream: Stream,
    inbox: Rc<Inbox>,
    frames: mpsc::Receiver<Frame>,
    dials: Dials,
}

impl Host {
    fn new() -> Self {
        let (sender, frames) = mpsc::channel(64);
        let inbox = Inbox::new();
        Host { stream: Stream::new(1, inbox.clone(), sender), inbox, frames, dials: Dials::default() }
    }

    fn send(&self, body: input::Body) {
        self.inbox.accept(Input { body: Some(body) }).unwrap();
    }

    /// The outputs that have come.
    fn outputs(&mut self) -> Vec<output::Body> {
        let mut outputs = Vec::new();
        while let Ok(frame) = self.frames.try_recv() {
            if let Some(Body::Output(output)) = frame.body {
                outputs.extend(output.body);
            }
        }
        outputs
    }
}

fn to(port: u16) -> DialPort {
    DialPort { port: port.into(), connect_timeout_ms: 2000, idle_timeout_ms: 0 }
}

fn chunk_bytes(outputs: &[output::Body]) -> usize {
    outputs.iter().map(|body| if let output::Body::Chunk(bytes) = body { bytes.len() } else { 0 }).sum()
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn refuses_where_nothing_listens_and_what_is_no_port() {
    run(async {
        let host = Host::new();
        let (listener, port) = listen().await;
        drop(listener);
        let failure = dial(&host.dials, to(port), &host.stream).await.unwrap_err();
        assert_eq!((failure.code, failure.reason), (Code::FailedPrecondition, "NothingListens"));
        assert!(failure.message.contains(&format!("nothing listens on port {port}")), "{failure}");
        for port in [0, 65_536, u32::MAX] {
            let request = DialPort { port, ..DialPort::default() };
            assert_eq!(dial(&host.dials, request, &host.stream).await.unwrap_err().code, Code::InvalidArgument);
        }
        assert_eq!(host.dials.0.get(), 0);
    });
}

#[test]
fn each_direction_ends_on_its_own() {
    run(async {
        let mut host = Host::new();
        let (listener, port) = listen().await;
        host.send(input::Body::Chunk(b"question".into()));
        host.send(input::Body::End(true));
        let serve = async {
            let (mut peer, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            // Ends only because the host's end has come.
            peer.read_to_end(&mut asked).await.unwrap();
            peer.write_all(b"answer to ").await.unwrap();
            peer.write_all(&asked).await.unwrap();
        };
        let (dialled, ()) = tokio::join!(dial(&host.dials, to(port), &host.stream), serve);
        dialled.unwrap();
        let outputs = host.outputs();
        assert_eq!(outputs[0], output::Body::Connected(Connected { address: format!("127.0.0.1:{port}") }));
        assert_eq!(chunk_bytes(&outputs), "answer to question".len());
        assert_eq!(outputs.last(), Some(&output::Body::End(true)));
    });
}

#[test]
fn a_server_that_has_sent_all_still_gets_input() {
    run(async {
        let host = Host::new();
        let (listener, port) = listen().await;
        let serve = async {
            let (mut peer, _) = listener.accept().await.unwrap();
            peer.shutdown().await.unwrap();
            host.send(input::Body::Chunk(vec![7; 1000]));
            host.send(input::Body::End(true));
            let mut got = Vec::new();
            peer.read_to_end(&mut got).await.unwrap();
            assert_eq!(got, vec![7; 1000]);
        };
        let (dialled, ()) = tokio::join!(dial(&host.dials, to(port), &host.stream), serve);
        dialled.unwrap();
    });
}

#[test]
fn a_flood_stops_at_the_credit_and_goes_on_with_more() {
    run(async {
        let mut host = Host::new();
        let (listener, port) = listen().await;
        let total = 16 * STREAM_WINDOW as usize;
        let serve = async {
            let (mut peer, _) = listener.accept().await.unwrap();
            let _ = peer.write_all(&vec![1; total]).await;
        };
        let (dials, stream) = (Dials::default(), host.stream.clone());
        let read = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let outputs = host.outputs();
            let mut got = chunk_bytes(&outputs);
            assert_eq!(got, STREAM_WINDOW as usize);
            while got < total {
                host.inbox.add_credit(WindowUpdate { bytes: STREAM_WINDOW });
                tokio::time::sleep(Duration::from_millis(1)).await;
                got += chunk_bytes(&host.outputs());
            }
            host.send(input::Body::End(true));
            got
        };
        let (dialled, (), got) = tokio::join!(dial(&dials, to(port), &stream), serve, read);
        assert_eq!(got, total);
        dialled.unwrap();
    });
}

#[test]
fn a_host_that_vanishes_closes_the_connection_and_frees_its_place() {
    run(async {
        let host = Host::new();
        let (listener, port) = listen().await;
        let request = to(port);
        let (mut peer, _) = tokio::select! {
            biased;
            _ = dial(&host.dials, request, &host.stream) => panic!("ended by itself"),
            accepted = async {
                let accepted = listener.accept().await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
                assert_eq!(host.dials.0.get(), 1);
                accepted
            } => accepted,
        };
        assert_eq!(host.dials.0.get(), 0);
        assert_eq!(peer.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn a_server_that_resets_is_told_apart_from_one_that_ends() {
    run(async {
        let host = Host::new();
        let (listener, port) = listen().await;
        let serve = async {
            let (peer, _) = listener.accept().await.unwrap();
            host.send(input::Body::Chunk(vec![1; 10]));
            tokio::time::sleep(Duration::from_millis(20)).await;
            // Unread input makes the kernel reset.
            drop(peer);
        };
        let (dialled, ()) = tokio::join!(dial(&host.dials, to(port), &host.stream), serve);
        let failure = dialled.unwrap_err();
        assert_eq!((failure.code, failure.reason), (Code::Unavailable, "PortReset"));
    });
}

#[test]
fn no_more_connections_than_there_are_places() {
    let dials = Dials::default();
    let mut places: Vec<Place> = (0..MAX_DIALS).map(|_| dials.admit().unwrap()).collect();
    assert_eq!(dials.admit().err().unwrap().code, Code::ResourceExhausted);
    places.pop();
    assert!(dials.admit().is_ok());
}

#[test]
fn an_idle_connection_ends() {
    run(async {
        let host = Host::new();
        let (listener, port) = listen().await;
        let request = DialPort { idle_timeout_ms: 30, ..to(port) };
        let failure = dial(&host.dials, request, &host.stream).await.unwrap_err();
        assert_eq!(failure.code, Code::DeadlineExceeded);
        drop(listener);
    });
}
