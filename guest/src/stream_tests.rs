//! Credit in both directions, and what is refused.
use super::*;

fn stdin(length: usize) -> Input {
    Input { body: Some(input::Body::Stdin(vec![7; length])) }
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn make_stream(capacity: usize) -> (Stream, Rc<Inbox>, mpsc::Receiver<Frame>) {
    let (sender, receiver) = mpsc::channel(capacity);
    let inbox = Inbox::new();
    (Stream::new(1, inbox.clone(), sender), inbox, receiver)
}

#[test]
fn refuses_input_beyond_the_window() {
    let (_, inbox, _receiver) = make_stream(1);
    for _ in 0..4 {
        inbox.accept(stdin(MAX_CHUNK)).unwrap();
    }
    assert_eq!(inbox.accept(stdin(1)).unwrap_err().code, Code::ResourceExhausted);
}

#[test]
fn returns_credit_only_for_what_was_taken() {
    run(async {
        let (stream, inbox, mut receiver) = make_stream(8);
        inbox.accept(stdin(MAX_CHUNK)).unwrap();
        assert!(receiver.try_recv().is_err());
        assert_eq!(stream.read_data().await.unwrap().unwrap().len(), MAX_CHUNK);
        let update = receiver.try_recv().unwrap().body;
        assert_eq!(update, Some(Body::WindowUpdate(WindowUpdate { bytes: MAX_CHUNK as u32 })));
        inbox.accept(Input { body: Some(input::Body::End(true)) }).unwrap();
        assert_eq!(stream.read_data().await.unwrap(), None);
        assert_eq!(inbox.accept(stdin(1)).unwrap_err().code, Code::FailedPrecondition);
    });
}

#[test]
fn sends_no_more_than_its_credit() {
    run(async {
        let (stream, inbox, mut receiver) = make_stream(100);
        let bytes = vec![1; STREAM_WINDOW as usize + 10];
        let send = stream.send_bytes(ChunkKind::Stdout, &bytes);
        tokio::pin!(send);
        tokio::select! {
            biased;
            _ = &mut send => panic!("sent without credit"),
            () = tokio::time::sleep(std::time::Duration::from_millis(1)) => {}
        }
        assert_eq!(receiver.len(), 4);
        inbox.add_credit(WindowUpdate { bytes: 4 });
        inbox.add_credit(WindowUpdate { bytes: u32::MAX });
        send.await.unwrap();
        let sizes: usize = std::iter::from_fn(|| receiver.try_recv().ok()).count();
        assert_eq!(sizes, 5);
    });
}

#[test]
fn bounds_waiting_controls() {
    let (_, inbox, _receiver) = make_stream(1);
    let signal = || Input { body: Some(input::Body::Signal("SIGTERM".into())) };
    for _ in 0..MAX_CONTROLS {
        inbox.accept(signal()).unwrap();
    }
    assert_eq!(inbox.accept(signal()).unwrap_err().code, Code::ResourceExhausted);
}
