"""The gateway's calls as an OpenAPI 3.1 document: for programs at openapi.json, for people at docs.

calls (what there is, in words) + schemas (the models of egress_api.rest) → document → site and page. Nothing here
answers a call of the contract; a test holds the document to the routes that the application really has.
"""
