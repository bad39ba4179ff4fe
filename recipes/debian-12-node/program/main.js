#!/usr/bin/env node
// A program that is one executable listens on port 8080.
const http = require("http");

http
  .createServer((request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ path: request.url, node: process.version, greeting: process.env.GREETING }));
  })
  .listen(8080);
