# Who can decrypt what. agenix reads it, and so does manage.py.
let
  # Public keys: people, the main host, and the worker hosts.
  recipients = builtins.fromJSON (builtins.readFile ./recipients.json);
  onMain = recipients.operators ++ recipients.main;
  onEveryHost = onMain ++ recipients.workers;
in
{
  # Whoever has these can log in, or reaches the database and what it holds: no task does.
  "admin-password.age".publicKeys = onMain;
  "database-password.age".publicKeys = onMain;
  "fernet-key.age".publicKeys = onMain;
  "jwt-secret.age".publicKeys = onMain;
  "smtp-password.age".publicKeys = onMain;

  "api-secret-key.age".publicKeys = onEveryHost;
  "aws.age".publicKeys = onEveryHost;
  "redis-password.age".publicKeys = onEveryHost;
  "warehouse-url.age".publicKeys = onEveryHost;
}
