require ["imapsieve", "environment", "fileinto", "copy", "imap4flags", "mailbox", "variables"];

if environment :is "imap.cause" "FLAG" {
    # A star files a copy.
    if environment :contains "imap.changedflags" "\\Flagged" {
        fileinto :copy :create "Starred";
    }
} elsif environment :is "imap.mailbox" "Archive" {
    if header :contains "subject" "lunch" {
        addflag "$eaten";
        keep;
    } elsif header :contains "subject" "dots" {
        discard;
    } else {
        set :lower "cause" "";
        if environment :matches "imap.cause" "*" { set :lower "cause" "${1}"; }
        fileinto :create "By/${cause}";
    }
}
