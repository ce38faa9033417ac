"""Hooks: what the tools that people already have send, taken as it is.

    endpoint      the address ``/hooks/<token>``: who brings, one constant answer
    unpacking     bytes to a delivery: JSON, forms, multipart, plain text
    delivery      what a tool sent, and what is made of it
    dialects      which of the following reads a delivery
    slack         Slack's and Mattermost's incoming webhooks; attachments, blocks and mrkdwn with it
    notice        a title and a message: what generic notifiers send
    alertmanager  Prometheus Alertmanager, version 4
    github        GitHub's events; gitea has the same with small differences
    cloudevents   CloudEvents 1.0, structured and binary

A dialect is a pure function from a delivery to a text: it does no I/O. Invariant: nothing that a
delivery refers to is ever fetched, and nothing in it chooses where it goes.
"""
