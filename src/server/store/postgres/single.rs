//! A connection outside of the pool, whose messages somebody hears.

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What comes over a connection, which answers its client only while this is asked.
pub(super) type Messages = BoxStream<'static, Result<AsyncMessage, tokio_postgres::Error>>;

pub(super) async fn connect(
    config: &Config,
    tls: Option<MakeRustlsConnect>,
) -> Result<(Client, Messages), tokio_postgres::Error> {
    Ok(match tls {
        None => {
            let (client, connection) = config.connect(NoTls).await?;
            (client, messages(connection))
        }
        Some(tls) => {
            let (client, connection) = config.connect(tls).await?;
            (client, messages(connection))
        }
    })
}

fn messages<S, T>(mut connection: Connection<S, T>) -> Messages
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    stream::poll_fn(move |context| connection.poll_message(context)).boxed()
}
