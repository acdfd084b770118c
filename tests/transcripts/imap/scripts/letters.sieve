require ["imapsieve", "enotify"];
notify "mailto:someone@x.example";
discard;
