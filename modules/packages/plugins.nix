# The plugins of Airflow: the page on organizations, and what notes on a run which day it is for.
{ lib, runCommandLocal }:

runCommandLocal "etl-plugins" { } ''
  cp --recursive ${
    lib.fileset.toSource {
      root = ../../workflows/plugins;
      fileset = lib.fileset.fileFilter (file: !file.hasExt "pyc") ../../workflows/plugins;
    }
  } $out
''
