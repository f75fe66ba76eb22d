"""What people, DC/OS tools and our own tasks see of the framework over HTTP.

The server has a thread and an event loop of its own. It reads the walk through `Walk` and passes reports on through
`Inbox`; it holds nothing that is not read again, and nothing here decides anything. JSON is built in `views`, reports
are read in `reports`, both pure; each endpoint is one class, and `application` says at which
path.
"""
