# One of the jobs as a zip for AWS Lambda (Python 3.13), with all that it imports, in the
# versions of the lock. Its address of a MySQL warehouse is mysql+pymysql://….
{
  lib,
  fetchPypi,
  runCommand,
  stdenv,
  unzip,
  zip,
  job,
}:

let
  wheels = lib.filter (package: lib.elem "lambda" package.groups) (lib.importJSON ./wheels.json);
  ofSystem = lib.filter (package: lib.elem stdenv.hostPlatform.system package.systems) wheels;

  etl = lib.fileset.toSource {
    root = ../../workflows;
    fileset = lib.fileset.fileFilter (file: file.hasExt "py") ../../workflows/etl;
  };
in
runCommand "lambda-${job}.zip"
  {
    nativeBuildInputs = [
      unzip
      zip
    ];
    wheels = map (package: fetchPypi package.source) ofSystem;
    passthru.handler = "etl.lambda_handlers.${lib.replaceStrings [ "-" ] [ "_" ] job}";
    meta.platforms = lib.unique (lib.concatMap (package: package.systems) wheels);
  }
  ''
    mkdir code
    cd code
    for wheel in $wheels; do
      unzip -q -o "$wheel"
    done
    cp -r --no-preserve=mode ${etl}/etl .
    # A zip has no dates before 1980, and the same content must give the same bytes.
    find . -exec touch --no-dereference --date=1980-01-01T00:00:00Z {} +
    find . -type f | LC_ALL=C sort | TZ=UTC zip -X -q -@ $out
  ''
