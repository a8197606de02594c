//! The listening socket, which can be taken away and given back on the same port.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Runtime};

use super::connection;
use super::state::Shared;

const BACKLOG: u32 = 1024;

/// What the accepting thread is told. It looks whenever a connection wakes it.
enum Order {
    Refuse,
    Accept,
    Stop,
}

pub(super) struct Listener {
    address: SocketAddr,
    control: Mutex<Control>,
}

struct Control {
    orders: Sender<Order>,
    done: Receiver<()>,
    refusing: bool,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    pub fn start(shared: Arc<Shared>) -> Self {
        let sockets = Sockets::new();
        let listener = sockets.listen(sockets.reserve(SocketAddr::from(([127, 0, 0, 1], 0))));
        let address = listener.local_addr().expect("a listener has an address");
        let (orders, inbox) = channel();
        let (report, done) = channel();
        let thread = thread::Builder::new()
            .name("dashboard".to_owned())
            .spawn(move || run(&sockets, listener, address, &inbox, &report, &shared))
            .expect("a thread");
        let control = Control { orders, done, refusing: false, thread: Some(thread) };
        Self { address, control: Mutex::new(control) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn refuse(&self, refuse: bool) {
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        if control.refusing != refuse {
            self.order(&mut control, if refuse { Order::Refuse } else { Order::Accept });
            control.refusing = refuse;
        }
    }

    pub fn stop(&self) {
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = control.thread.take() {
            self.order(&mut control, Order::Stop);
            let joined = thread.join();
            assert!(joined.is_ok() || thread::panicking(), "the dashboard's acceptor panicked");
        }
    }

    fn order(&self, control: &mut Control, order: Order) {
        // A thread that has panicked says so when it is joined.
        let _ = control.orders.send(order);
        if !control.refusing {
            let _ = TcpStream::connect(self.address);
        }
        let _ = control.done.recv();
    }
}

fn run(
    sockets: &Sockets,
    mut listener: TcpListener,
    address: SocketAddr,
    inbox: &Receiver<Order>,
    report: &Sender<()>,
    shared: &Arc<Shared>,
) {
    loop {
        let accepted = listener.accept();
        match inbox.try_recv() {
            Ok(Order::Refuse) => {
                drop(accepted);
                // Bound and not listening: connections are refused, and the port stays ours, since
                // there is no moment at which it is nobody's.
                let reserved = sockets.reserve(address);
                drop(listener);
                let _ = report.send(());
                let Ok(Order::Accept) = inbox.recv() else {
                    let _ = report.send(());
                    return;
                };
                listener = sockets.listen(reserved);
                let _ = report.send(());
            }
            Ok(Order::Accept) => unreachable!("it accepts already"),
            Ok(Order::Stop) => {
                let _ = report.send(());
                return;
            }
            Err(_) => {
                let Ok((stream, peer)) = accepted else { continue };
                let shared = Arc::clone(shared);
                // Not joined: a connection may wait for its client for ever, as the real one does.
                thread::spawn(move || connection::serve(&shared, stream, peer.port()));
            }
        }
    }
}

/// Makes sockets in the two steps that the standard library does in one.
struct Sockets(Runtime);

impl Sockets {
    fn new() -> Self {
        Self(Builder::new_current_thread().enable_io().build().expect("a runtime"))
    }

    fn reserve(&self, address: SocketAddr) -> TcpSocket {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("SO_REUSEADDR");
        socket.set_reuseport(true).expect("SO_REUSEPORT");
        socket.bind(address).expect("the dashboard's port");
        socket
    }

    fn listen(&self, socket: TcpSocket) -> TcpListener {
        let _entered = self.0.enter();
        let listener = socket.listen(BACKLOG).and_then(tokio::net::TcpListener::into_std);
        let listener = listener.expect("a listener");
        listener.set_nonblocking(false).expect("a blocking listener");
        listener
    }
}
