//! A built report as a mail: to whom, with which files, in which thread.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::Date;

use super::files::with_files;
use crate::mailer::{self, InlineImage, Mail, check_address, compose};
use crate::report::{Definition, Document, Image, WorkbookError};
use crate::store::OutgoingMail;

/// Why a report is no mail.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It cannot be written as a mail.
    #[error("the mail cannot be composed")]
    Compose(#[source] mailer::ComposeError),
    /// A file that belongs to it cannot be written.
    #[error("the mail's workbook cannot be written")]
    Workbook(#[source] WorkbookError),
}

/// From whom the mails of reports come, and to whom they go.
#[derive(Debug, Clone, Copy)]
pub struct Addresses<'a> {
    /// The sender, as in a From header.
    pub from: &'a str,
    /// The recipients of the reports that name none.
    pub to: &'a [String],
    /// Who hears of trouble, and alone gets what is a dry run.
    pub owner: &'a str,
}

/// A built report on its way to be a mail.
pub(super) struct Letter<'r> {
    pub(super) definition: &'r Definition,
    pub(super) document: &'r Document,
    /// The stored report's id.
    pub(super) report_id: &'r str,
    /// What its files are named by: the period's name, or the day.
    pub(super) of: &'r str,
    /// The Message-IDs of the mails that it follows.
    pub(super) follows: Vec<String>,
    /// The day in the reporting zone.
    pub(super) today: Date,
    pub(super) now: Timestamp,
}

impl Letter<'_> {
    /// The mail, byte for byte as it goes out.
    pub(super) fn mail(self, Addresses { from, to, owner }: Addresses<'_>) -> Result<OutgoingMail, MailError> {
        let Definition { cc, bcc, .. } = self.definition;
        let to = if self.definition.to.is_empty() { to } else { &self.definition.to };
        let mut document = Cow::Borrowed(self.document);
        let (to, cc, bcc) = match self.definition.dry_run_until.filter(|until| self.today <= *until) {
            None => (to.to_vec(), cc.clone(), &bcc[..]),
            Some(until) => {
                let named =
                    |people: &[String], word| people.iter().map(move |it| format!("{}{word}", bare(it))).collect();
                let would: Vec<Vec<String>> = vec![named(to, ""), named(cc, " (cc)"), named(bcc, " (bcc)")];
                let (locale, document) = (self.definition.locale, document.to_mut());
                document.notes.insert(0, locale.dry_run(until, &would.concat()));
                document.subject = locale.dry_run_subject(&document.subject);
                (vec![owner.to_owned()], Vec::new(), &[][..])
            }
        };
        let envelope = [&to[..], &cc, bcc].concat();
        let (rendered, attachments) = with_files(self.definition, &document, self.of)?;
        let mail = Mail {
            message_id: message_id(from, self.definition, self.report_id),
            from: from.to_owned(),
            to,
            cc,
            subject: document.subject.clone(),
            date: self.now,
            text: rendered.text,
            html: rendered.html,
            references: self.follows,
            list_id: Some(format!("{}.{}", self.definition.name, domain_of(from))),
            images: inline(rendered.images),
            attachments,
        };
        let bytes = compose(&mail).map_err(MailError::Compose)?;
        Ok(outgoing(mail, &envelope, bytes))
    }
}

/// The Message-ID of a report's mail.
pub(super) fn message_id(from: &str, definition: &Definition, report_id: &str) -> String {
    format!("{}-{report_id}@{}", definition.name, domain_of(from))
}

/// The pictures of a report as parts of its mail.
pub(crate) fn inline(images: Vec<Image>) -> Vec<InlineImage> {
    images.into_iter().map(|Image { content_id, png }| InlineImage { content_id, bytes: png }).collect()
}

/// The mail to store: bare addresses for the envelope, each once.
pub(super) fn outgoing(mail: Mail, to: &[String], bytes: Vec<u8>) -> OutgoingMail {
    let mut recipients: Vec<String> = to.iter().map(|address| bare(address)).collect();
    recipients.sort();
    recipients.dedup();
    OutgoingMail { message_id: mail.message_id, sender: bare(&mail.from), subject: mail.subject, recipients, bytes }
}

fn bare(address: &str) -> String {
    check_address(address).unwrap_or_else(|_| address.to_owned())
}

/// The domain of an address, for Message-IDs.
pub(super) fn domain_of(address: &str) -> String {
    bare(address).rsplit_once('@').map_or_else(|| "localhost".to_owned(), |(_, domain)| domain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Dates, Language, Locale, Trigger};

    #[test]
    fn a_dry_run_s_subject_says_that_it_is_one() {
        let (now, today) = ("2026-11-23T09:00:00Z".parse().unwrap(), Date::constant(2026, 11, 23));
        let to = ["finance@example.com".to_owned()];
        let addresses = Addresses { from: "bell@example.com", to: &to, owner: "owner@example.com" };
        let subject = |language, dry_run_until| {
            let locale = Locale { language, dates: Dates::Local };
            let definition = Definition { locale, dry_run_until, ..Definition::new("won", Trigger::On(Vec::new())) };
            let document = Document {
                name: "won".to_owned(),
                locale,
                title: "Won".to_owned(),
                subject: "Won: 1".to_owned(),
                date: "today".to_owned(),
                headlines: Vec::new(),
                sections: Vec::new(),
                notes: Vec::new(),
            };
            let (definition, document) = (&definition, &document);
            let letter = Letter { definition, document, report_id: "1", of: "1", follows: Vec::new(), today, now };
            letter.mail(addresses).unwrap().subject
        };
        let until = |day| Language::ALL.map(|(language, _)| subject(language, Some(day)));
        assert_eq!(until(today), ["Dry run: Won: 1", "Probelauf: Won: 1", "Essai à blanc\u{A0}: Won: 1"]);
        assert_eq!(until(today.yesterday().unwrap()), ["Won: 1"; 3], "it is over");
    }
}
