use std::ffi::OsStr;

use litink_core::{
    GenerationId,
    provider::{EmbeddingRequest, ImageRequest, Message, Role, SpeechRequest, TextRequest},
};

use super::*;

fn without_programs() -> LocalProvider {
    LocalProvider::with_programs(Programs::find_in(OsStr::new("")))
}

fn context() -> CallContext {
    CallContext::new(GenerationId::random())
}

fn summary() -> Request {
    let mut text = TextRequest::default();
    text.task = Some("summary".to_owned());
    text.messages.push(Message {
        role: Role::User,
        text: "Mira lit the lamp.".to_owned(),
    });
    Request::new(text)
}

#[test]
fn it_says_that_it_makes_drafts() {
    let capabilities = without_programs().capabilities(None);
    assert!(capabilities.draft);
    for modality in [Modality::Text, Modality::Speech, Modality::Image] {
        assert!(capabilities.serves(modality));
    }
    assert!(!capabilities.serves(Modality::Embedding));
    let speech = capabilities.speech.clone().unwrap();
    assert!(speech.marks && speech.voices.len() > 8);
    assert_eq!(speech.max_input_chars, 2_000);
}

#[tokio::test]
async fn every_result_says_so_too_and_what_was_not_used() {
    let provider = without_programs();
    for request in [summary(), Request::new(ImageRequest::default())] {
        let mut request = request.model(Some("gpt".to_owned()));
        request
            .provider_options
            .insert("top_k".to_owned(), 3.into());
        let Reply::Done(made) = provider.generate(&request, &context()).await.unwrap() else {
            panic!("nothing to wait for");
        };
        assert_eq!(made.warnings[0], DRAFT_WARNING);
        assert!(made.warnings.iter().any(|w| w.contains("no models")));
        assert!(made.warnings.iter().any(|w| w.contains("\"top_k\"")));
    }
}

#[tokio::test]
async fn other_modalities_and_operations_there_are_none() {
    let provider = without_programs();
    let request = Request::new(EmbeddingRequest::default());
    let error = provider.generate(&request, &context()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Unsupported, "unsupported_modality")
    );
    let operation = Operation::new("o1");
    let error = provider.poll(&operation, &context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(provider.cancel(&operation, &context()).await.is_ok());
}

#[tokio::test]
async fn a_cancelled_call_makes_nothing() {
    let context = context();
    context.cancel.cancel();
    let error = without_programs()
        .generate(&summary(), &context)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_that_hangs_is_given_up_after_the_calls_limit() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("espeak-ng");
    fs::write(&program, "#!/bin/sh\nexec /bin/sleep 60\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let provider = LocalProvider::with_programs(Programs::find_in(folder.path().as_os_str()));
    let mut context = context();
    context.timeout = Duration::from_millis(200);
    let request = Request::new(SpeechRequest::new("Hello."));
    let error = provider.generate(&request, &context).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

/// Needs espeak-ng or flite.
mod conformance {
    use super::*;

    litink_core::provider_conformance!(Arc::new(LocalProvider::new()));
}
