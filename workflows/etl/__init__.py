"""Events from S3 into a warehouse, and statistics per organization from it.

Where what is:

- what there is to know of events: ``event_classes`` (each class in one place) and ``statistics`` (each
  statistic), of ``fields`` and ``values``; ``tables`` and ``migrations`` are what becomes of them
- a line becomes a row: ``event_reader``, ``events``, ``json_text``
- an object becomes lines: ``storage``, ``objects``, ``downloads``, ``signing``, ``formats``, ``lines``,
  ``repeats``
- the jobs: ``load_events`` with ``day_rows`` and ``beside``, ``organization_stats``, ``reload``,
  ``import_organizations`` with ``organization_files``; all on ``warehouse`` and its ``statements``
- who runs them: ``cli``, ``lambda_handlers``, and the DAGs by ``operators``
- what the DAGs are made of: the order of days in ``days``, ``order``, ``sensor``, ``day_trigger``,
  ``requests`` and ``reload_task``; ``mails``, ``weekly_mail`` and ``guides`` for people;
  ``preload`` for speed
- what people look at: ``organization_queries``, ``health`` (the rules) and ``organization_health`` (what is
  kept of them by day)
- ``config`` says what all of them are told, ``errors`` what they answer; ``sample_data`` is there to try it
"""
