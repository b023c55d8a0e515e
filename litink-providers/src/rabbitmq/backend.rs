//! RabbitMQ as those who run litink see it.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use lapin::{
    BasicProperties, Confirmation, Connection,
    options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
};
use litink_core::{
    Error, ErrorKind, Result,
    backend::{Backend, Check},
};
use tokio::time::timeout;

use super::{RabbitServer, error, server::ANSWER};

/// How long the broker may take to confirm; one that is blocked says nothing.
const CONFIRM: Duration = Duration::from_secs(5);

#[async_trait]
impl Backend for RabbitServer {
    fn describe(&self) -> String {
        format!("RabbitMQ {}", self.place())
    }

    /// Always: without the broker jobs are noticed late, and nothing fails.
    async fn ready(&self) -> Result<()> {
        Ok(())
    }

    async fn check(&self) -> Vec<Check> {
        let begun = Instant::now();
        let connection = match self.config().connect("litink doctor").await {
            Ok(connection) => connection,
            Err(error) => return vec![Check::new(Check::REACHABLE, Err(error))],
        };
        let reachable = format!("answered in {} ms", begun.elapsed().as_millis());
        let rights = match timeout(ANSWER, self.config().declare(&connection)).await {
            Ok(Ok(_)) => Ok("declared litink's exchanges".into()),
            Ok(Err(error)) => Err(error::of(&error)),
            Err(_) => Err(error::unreachable()),
        };
        let write = match timeout(CONFIRM, pass_through(&connection)).await {
            Ok(Ok(true)) => Ok("a message went through".into()),
            Ok(Ok(false)) => Err(lost()),
            Ok(Err(error)) => Err(error::of(&error)),
            Err(_) => Err(error::blocked()),
        };
        // It ends with this in any case.
        let _closed = timeout(CONFIRM, connection.close(200, "done".into())).await;
        vec![
            Check::new(Check::REACHABLE, Ok(reachable)),
            Check::new(Check::RIGHTS, rights),
            Check::new(Check::WRITE, write),
        ]
    }
}

/// Whether a message comes back by a queue that is gone with the connection.
async fn pass_through(connection: &Connection) -> lapin::Result<bool> {
    let channel = connection.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let options = QueueDeclareOptions {
        exclusive: true,
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    let queue = channel
        .queue_declare("".into(), options, FieldTable::default())
        .await?;
    let name = queue.name().clone();
    let confirm = channel.basic_publish(
        "".into(),
        name.clone(),
        BasicPublishOptions::default(),
        b"litink doctor",
        BasicProperties::default(),
    );
    if !matches!(confirm.await?.await?, Confirmation::Ack(_)) {
        return Ok(false);
    }
    let options = BasicGetOptions { no_ack: true };
    Ok(channel.basic_get(name, options).await?.is_some())
}

fn lost() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "RabbitMQ lost a message; look at its log",
    )
    .with_code("rabbitmq_lost_message")
}
