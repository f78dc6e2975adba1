export { type ConnectionOptions, serveClient } from './connection.js'
export { type OnFault, Pkcs11Module } from './module.js'
