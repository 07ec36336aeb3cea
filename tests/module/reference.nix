# The options of the modules as a page.
{ lib }:

options:
let
  own =
    option:
    option.visible != false
    && !option.internal
    && lib.any (prefix: lib.hasPrefix prefix option.name) [
      "services.airflow."
      "services.etl."
    ];

  code = value: lib.removeSuffix "\n" (value.text or (lib.generators.toPretty { } value));
  field =
    name: text:
    if lib.hasInfix "\n" text then "${name}:\n\n```nix\n${text}\n```\n" else "${name}: `${text}`\n";

  entry =
    option:
    lib.concatStringsSep "\n" (
      [
        "## `${option.name}`\n"
        "${lib.replaceStrings [ "{option}" ] [ "" ] (lib.trim option.description)}\n"
        (field "Type" option.type)
      ]
      ++ lib.optional (option ? default) (field "Default" (code option.default))
      ++ lib.optional (option ? example) (field "Example" (code option.example))
    );
in
''
  # Options of `services.airflow` and `services.etl`

  Written by `make render` from the modules.

''
+ lib.concatMapStringsSep "\n" entry (lib.filter own (lib.optionAttrSetToDocList options))
