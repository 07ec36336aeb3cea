# The plugins of Airflow's web server: the page on organizations.
{ lib, runCommandLocal }:

runCommandLocal "etl-plugins" { } ''
  cp --recursive ${
    lib.fileset.toSource {
      root = ../../workflows/plugins;
      fileset = lib.fileset.fileFilter (file: !file.hasExt "pyc") ../../workflows/plugins;
    }
  } $out
''
