use tokio::net::TcpListener;

use super::*;

/// A server that says `answer` to whoever asks; what it was asked comes back.
async fn server(answer: &'static str) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut request).await.unwrap() == 0 {
                break;
            }
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    });
    (address, asked)
}

fn plan(expect: Option<u16>) -> HealthPlan {
    HealthPlan {
        path: Some("/health".into()),
        expect,
        ..HealthPlan::default()
    }
}

async fn verdict(answer: &'static str, expect: Option<u16>) -> Verdict {
    let (address, _) = server(answer).await;
    check(address, "www.foobar.com", &plan(expect)).await
}

#[tokio::test]
async fn a_good_answer_is_good() {
    let (address, asked) = server("HTTP/1.1 200 OK\r\n\r\n").await;
    let verdict = check(address, "www.foobar.com", &plan(None)).await;
    assert!(matches!(&verdict, Verdict::Good(why) if why.starts_with("200 in ")));
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("GET /health HTTP/1.1\r\nHost: www.foobar.com\r\n"));
}

#[tokio::test]
async fn a_wrong_status_is_an_answer_all_the_same() {
    let found = verdict("HTTP/1.1 503 Service Unavailable\r\n\r\n", None).await;
    assert!(matches!(&found, Verdict::Wrong(why) if why.starts_with("503 in ")));
    let found = verdict("HTTP/1.1 200 OK\r\n\r\n", Some(204)).await;
    assert!(matches!(&found, Verdict::Wrong(why) if why.ends_with("204 expected")));
    let found = verdict("HTTP/1.1 503 \r\n\r\n", Some(503)).await;
    assert!(matches!(found, Verdict::Good(_)));
}

#[tokio::test]
async fn what_is_not_http_or_nothing_is_silence() {
    for answer in [
        "",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1 20",
    ] {
        let found = verdict(answer, None).await;
        assert!(matches!(found, Verdict::Silent(_)), "{answer:?}: {found:?}");
    }
}

#[tokio::test]
async fn a_closed_port_and_a_hanging_server_are_silent_in_their_own_words() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hanging = HealthPlan {
        within: Duration::from_millis(50),
        ..plan(None)
    };
    let found = check(address, "x", &hanging).await;
    assert_eq!(found, Verdict::Silent("no answer within 50 ms".into()));
    drop(listener);
    let found = check(address, "x", &plan(None)).await;
    assert_eq!(found, Verdict::Refused("connection refused".into()));
}

#[tokio::test]
async fn without_a_path_a_connection_is_enough() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let found = check(address, "x", &HealthPlan::default()).await;
    assert!(matches!(found, Verdict::Good(_)));
}
