// The gateway: checks tokens where they are needed, and hands each request on.
import http from 'node:http'
import cors from 'cors'
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'
import jwt from 'jsonwebtoken'
import morgan from 'morgan'

const { PORT, JWT_SECRET, USERS_URL, PRODUCTS_URL, ORDERS_URL, NOTIFICATIONS_URL } = process.env
const agent = new http.Agent({ keepAlive: true })
const app = express()

app.use(cors())
app.use(morgan('combined'))

function authenticate(req, res, next) {
  const token = req.headers.authorization?.split(' ')[1]
  if (!token) return res.status(401).json({ message: 'No token provided' })
  try {
    req.user = jwt.verify(token, JWT_SECRET)
    next()
  } catch {
    res.status(401).json({ message: 'Invalid token' })
  }
}

// The filter, not a mount: a mount would strip the path that the service has.
function proxy(path, target) {
  return createProxyMiddleware({ pathFilter: path, target, changeOrigin: true, agent })
}

app.get('/health', (req, res) => res.json({ status: 'ok' }))
app.use('/orders', authenticate)
app.use('/notifications', authenticate)
app.use(proxy('/auth', USERS_URL))
app.use(proxy('/products', PRODUCTS_URL))
app.use(proxy('/orders', ORDERS_URL))
app.use(proxy('/notifications', NOTIFICATIONS_URL))

app.listen(PORT, '127.0.0.1')
