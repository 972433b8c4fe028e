//! Addresses that are taken, shared and given back.

use tokio::net::TcpStream;

use super::*;

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn says(error: &Error, address: SocketAddr) {
    assert_eq!(
        error.to_string(),
        format!("failed to listen on `{address}` (flag `--admin-listen`)")
    );
}

#[test]
fn only_this_machine_may_ask_without_tls() {
    let table = [
        ("127.0.0.1:9470", true),
        ("127.8.9.10:1", true),
        ("[::1]:9470", true),
        ("[::ffff:127.0.0.1]:9470", true),
        ("0.0.0.0:9470", false),
        ("[::]:9470", false),
        ("10.0.0.1:9470", false),
        ("[::ffff:10.0.0.1]:9470", false),
    ];
    for (given, expected) in table {
        let address = given.parse().unwrap();

        assert_eq!(loopback(address).is_ok(), expected, "{given}");
    }
}

#[test]
fn a_refused_address_is_named_with_its_flag() {
    let error = loopback("0.0.0.0:9470".parse().unwrap()).unwrap_err();

    assert_eq!(
        error.to_string(),
        "flag `--extender-listen` is `0.0.0.0:9470`, which is not a loopback address: without \
         `--extender-tls-cert`, `--extender-tls-key` and `--extender-client-ca` the extender speaks \
         plain HTTP, so it listens on loopback only, such as 127.0.0.1:9470"
    );
}

#[tokio::test]
async fn an_address_of_somebody_who_does_not_share_is_named_with_its_flag() {
    let first = std::net::TcpListener::bind(any()).unwrap();
    let address = first.local_addr().unwrap();

    says(
        &Listener::bind("--admin-listen", address).unwrap_err(),
        address,
    );
    let later = Listener::reserve("--admin-listen", address, CancellationToken::new());
    says(&later.unwrap_err(), address);
}

#[tokio::test]
async fn an_address_that_is_not_this_machines_is_an_error_at_once() {
    let address = "192.0.2.1:9472".parse().unwrap();

    let later = Listener::reserve("--admin-listen", address, CancellationToken::new());

    says(&later.unwrap_err(), address);
}

#[tokio::test]
async fn what_is_reserved_refuses_connections_and_nobody_else_can_have_it() {
    let (ready, stop) = (CancellationToken::new(), CancellationToken::new());
    let listener = Listener::reserve("--admin-listen", any(), ready.clone()).unwrap();
    let (address, opened) = (listener.address(), listener.opened());

    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(std::net::TcpListener::bind(address).is_err());
    assert!(!opened.is_cancelled());

    ready.cancel();
    let (listening, _) = listener.open(&stop).await.unwrap().unwrap();
    assert!(opened.is_cancelled());
    let (connected, accepted) = tokio::join!(TcpStream::connect(address), listening.accept());
    connected.unwrap();
    accepted.unwrap();
}

#[tokio::test]
async fn one_that_is_told_to_stop_before_it_is_ready_never_listens() {
    let (ready, stop) = (CancellationToken::new(), CancellationToken::new());
    let listener = Listener::reserve("--admin-listen", any(), ready.clone()).unwrap();
    stop.cancel();
    ready.cancel();

    assert!(listener.open(&stop).await.unwrap().is_none());
}

/// The server that closes first keeps its side for a minute: the next process must not wait for that.
#[tokio::test]
async fn an_address_can_be_had_again_right_after_its_connections_were_closed() {
    let stop = CancellationToken::new();
    let first = Listener::bind("--admin-listen", any()).unwrap();
    let address = first.address();
    let (listening, _) = first.open(&stop).await.unwrap().unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listening.accept());
    drop(accepted);
    drop(listening);
    drop(client);

    Listener::bind("--admin-listen", address).unwrap();
}

/// During a rolling update: the new process has the address from its start, connections when it is ready, and
/// all of them once the old one is gone.
#[tokio::test]
async fn two_that_share_an_address_hand_it_over() {
    let (ready, stop) = (CancellationToken::new(), CancellationToken::new());
    let old = Listener::bind("--admin-listen", any()).unwrap();
    let address = old.address();
    let new = Listener::reserve("--admin-listen", address, ready.clone()).unwrap();
    let (old, _) = old.open(&stop).await.unwrap().unwrap();
    for _ in 0..20 {
        let (client, accepted) = tokio::join!(TcpStream::connect(address), old.accept());
        drop((client.unwrap(), accepted.unwrap()));
    }

    ready.cancel();
    let (new, _) = new.open(&stop).await.unwrap().unwrap();
    drop(old);
    for _ in 0..20 {
        let (client, accepted) = tokio::join!(TcpStream::connect(address), new.accept());
        drop((client.unwrap(), accepted.unwrap()));
    }
}
