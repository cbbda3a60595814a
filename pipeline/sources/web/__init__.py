"""http and https as sources: polite, guarded, incremental.

`urls` spells, `addresses` judges, `connection` connects, `pace` and `robots` are polite, `body` and `fetch` fetch one
URL, `kept` keeps what was fetched, `frontier` visits many, `crawl` makes sources of them.
"""
