//! What connections get from the socket that they are taken from.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::net::{accept, sockopt};

use crate::os::sockets::{Address, Place, Sockets};

/// No answer waits for an acknowledgement, and a peer that is cut off is noticed within a minute.
#[test]
#[cfg(target_os = "linux")]
fn a_connection_has_the_options_of_its_listener() {
    let place = Place::Tcp { host: "127.0.0.1".into(), port: 0 };
    let sockets = Sockets::bind(&place).unwrap();
    let [Address::Inet(address)] = sockets.addresses()[..] else { panic!("{sockets:?}") };
    let _peer = TcpStream::connect(address).unwrap();
    let taken = accept(&sockets.listeners[0]).unwrap();
    assert!(sockopt::tcp_nodelay(&taken).unwrap());
    assert!(sockopt::socket_keepalive(&taken).unwrap());
    let silent = sockopt::tcp_keepidle(&taken).unwrap()
        + sockopt::tcp_keepintvl(&taken).unwrap() * sockopt::tcp_keepcnt(&taken).unwrap();
    assert!(silent <= Duration::from_secs(60), "{silent:?}");
    let unread = Duration::from_millis(sockopt::tcp_user_timeout(&taken).unwrap().into());
    assert!((Duration::from_secs(1)..=Duration::from_secs(45)).contains(&unread), "{unread:?}");
}

/// A peer that reads slowly is seen to read: it need not take megabytes before there is room.
#[test]
#[cfg(target_os = "linux")]
fn a_connection_has_room_again_when_its_peer_has_read_some() {
    let place = Place::Tcp { host: "127.0.0.1".into(), port: 0 };
    let sockets = Sockets::bind(&place).unwrap();
    let [Address::Inet(address)] = sockets.addresses()[..] else { panic!("{sockets:?}") };
    let mut peer = TcpStream::connect(address).unwrap();
    let mut taken = TcpStream::from(accept(&sockets.listeners[0]).unwrap());
    taken.set_nonblocking(true).unwrap();
    let piece = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    // It may take a while until all that has room at the peer is there.
    for _ in 0..20 {
        while let Ok(count) = taken.write(&piece) {
            sent += count;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut read = 0;
    while taken.write(&piece).is_err() {
        assert!(read < 512 * 1024, "{read} bytes of {sent} were read, and there is no room");
        peer.read_exact(&mut [0; 16 * 1024]).unwrap();
        read += 16 * 1024;
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// As when the start fails after it was made. It is not removed twice: then it may be another's.
#[test]
#[cfg(unix)]
fn the_file_of_a_socket_goes_with_it_once() {
    let path = std::env::temp_dir().join(format!("hmp-{}-once.sock", std::process::id()));
    let place = Place::Unix(path.clone());
    drop(Sockets::bind(&place).unwrap());
    assert!(!path.exists());
    let Sockets { file, .. } = Sockets::bind(&place).unwrap();
    let file = file.unwrap();
    file.remove();
    assert!(!path.exists());
    let others = Sockets::bind(&place).unwrap();
    drop(file);
    assert!(path.exists());
    drop(others);
}

/// Somebody who may write in the folder puts a link in the socket's place again and again: what it
/// points to is not touched.
#[test]
#[cfg(unix)]
fn the_mode_of_another_file_is_never_changed() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::sync::atomic::{AtomicBool, Ordering};

    let folder = std::env::temp_dir().join(format!("hmp-{}-swap", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (path, victim) = (folder.join("socket"), folder.join("victim"));
    std::fs::write(&victim, "").unwrap();
    std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o644)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let link = folder.join("link");
            while !done.load(Ordering::Relaxed) {
                let _ = symlink(&victim, &link);
                if path.symlink_metadata().is_ok_and(|found| found.mode() & 0o170_000 == 0o140_000)
                {
                    let _ = std::fs::rename(&link, &path);
                }
            }
        });
        for _ in 0..300 {
            let _ = Sockets::bind(&Place::Unix(path.clone()));
            let _ = std::fs::remove_file(&path);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(victim.metadata().unwrap().mode() & 0o777, 0o644);
    // The last link may have come after all that was removed.
    let _ = std::fs::remove_file(&path);
    let _made = Sockets::bind(&Place::Unix(path.clone())).unwrap();
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    std::fs::remove_dir_all(&folder).unwrap();
}
