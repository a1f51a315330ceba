// Made by `npm run db:types` from the migrations. Do not edit.

export type Json =
  | string
  | number
  | boolean
  | null
  | { [key: string]: Json | undefined }
  | Json[]

export type Database = {
  analytics: {
    Tables: {
      event_aggregations: {
        Row: {
          created_at: string
          dimensions: Json | null
          dimensions_hash: string | null
          event_count: number
          event_name: string | null
          event_type: string | null
          granularity: string
          id: string
          time_bucket: string
          unique_sessions: number | null
          unique_users: number | null
          updated_at: string
        }
        Insert: {
          created_at?: string
          dimensions?: Json | null
          dimensions_hash?: never
          event_count: number
          event_name?: string | null
          event_type?: string | null
          granularity: string
          id: string
          time_bucket: string
          unique_sessions?: number | null
          unique_users?: number | null
          updated_at?: string
        }
        Update: {
          created_at?: string
          dimensions?: Json | null
          dimensions_hash?: never
          event_count?: number
          event_name?: string | null
          event_type?: string | null
          granularity?: string
          id?: string
          time_bucket?: string
          unique_sessions?: number | null
          unique_users?: number | null
          updated_at?: string
        }
        Relationships: []
      }
      events: {
        Row: {
          anonymous_id: string | null
          browser: string | null
          country: string | null
          device_type: string | null
          id: string
          ingest_seq: number
          is_bot: boolean
          metadata: NonNullable<Json>
          name: string
          occurred_at: string
          os: string | null
          properties: NonNullable<Json>
          received_at: string
          referrer: string | null
          region: string | null
          session_id: string | null
          type: string
          url: string | null
          user_agent: string | null
          user_id: string | null
          user_is_verified: boolean
        }
        Insert: {
          anonymous_id?: string | null
          browser?: string | null
          country?: string | null
          device_type?: string | null
          id: string
          ingest_seq?: number
          is_bot?: boolean
          metadata?: NonNullable<Json>
          name: string
          occurred_at: string
          os?: string | null
          properties?: NonNullable<Json>
          received_at?: string
          referrer?: string | null
          region?: string | null
          session_id?: string | null
          type: string
          url?: string | null
          user_agent?: string | null
          user_id?: string | null
          user_is_verified?: boolean
        }
        Update: {
          anonymous_id?: string | null
          browser?: string | null
          country?: string | null
          device_type?: string | null
          id?: string
          ingest_seq?: number
          is_bot?: boolean
          metadata?: NonNullable<Json>
          name?: string
          occurred_at?: string
          os?: string | null
          properties?: NonNullable<Json>
          received_at?: string
          referrer?: string | null
          region?: string | null
          session_id?: string | null
          type?: string
          url?: string | null
          user_agent?: string | null
          user_id?: string | null
          user_is_verified?: boolean
        }
        Relationships: []
      }
      metrics: {
        Row: {
          aggregation: string | null
          created_at: string
          description: string | null
          dimensions: NonNullable<Json>
          dimensions_hash: string | null
          granularity: string | null
          id: string
          name: string
          sample_count: number | null
          source: string | null
          tags: string[]
          time_window_end: string | null
          time_window_start: string | null
          timestamp: string
          type: string
          value_json: Json | null
          value_numeric: number | null
        }
        Insert: {
          aggregation?: string | null
          created_at?: string
          description?: string | null
          dimensions?: NonNullable<Json>
          dimensions_hash?: never
          granularity?: string | null
          id?: string
          name: string
          sample_count?: number | null
          source?: string | null
          tags?: string[]
          time_window_end?: string | null
          time_window_start?: string | null
          timestamp?: string
          type?: string
          value_json?: Json | null
          value_numeric?: number | null
        }
        Update: {
          aggregation?: string | null
          created_at?: string
          description?: string | null
          dimensions?: NonNullable<Json>
          dimensions_hash?: never
          granularity?: string | null
          id?: string
          name?: string
          sample_count?: number | null
          source?: string | null
          tags?: string[]
          time_window_end?: string | null
          time_window_start?: string | null
          timestamp?: string
          type?: string
          value_json?: Json | null
          value_numeric?: number | null
        }
        Relationships: []
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      add_events: { Args: { after: number; upto: number }; Returns: undefined }
      aggregation_id: {
        Args: {
          bucket: string
          dimension?: string
          granularity: string
          name: string
          type: string
        }
        Returns: string
      }
      delete_undated_events: { Args: { before: string }; Returns: number }
      drop_event_partitions: { Args: { before?: string }; Returns: number }
      drop_old_counts: {
        Args: { actors_before?: string; minutes_before?: string }
        Returns: number
      }
      event_time: { Args: { value: Json }; Returns: string }
      event_writers: { Args: Record<PropertyKey, never>; Returns: string[] }
      first_id: { Args: { moment: string }; Returns: string }
      id_milliseconds: { Args: { id: string }; Returns: number }
      make_event_partitions: { Args: { ahead?: number }; Returns: number }
      make_partition: {
        Args: { high: string; low: string; name: string }
        Returns: undefined
      }
      process_pending_events: { Args: { most?: number }; Returns: number }
      read_time: { Args: { words: string }; Returns: string }
      settled_ingest_seq: { Args: Record<PropertyKey, never>; Returns: number }
      track_events: { Args: { events: Json }; Returns: Json }
      undated_id: { Args: { id: string }; Returns: string }
      wider: {
        Args: { hour: string; name: string; type: string }
        Returns: {
          bucket: string
          granularity: string
          name: string
          type: string
        }[]
      }
    }
    Enums: {
      [_ in never]: never
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
  assistant: {
    Tables: {
      conversations: {
        Row: {
          created_at: string
          id: string
          is_archived: boolean
          metadata: NonNullable<Json>
          tenant_id: string
          title: string
          updated_at: string
          user_id: string
        }
        Insert: {
          created_at?: string
          id?: string
          is_archived?: boolean
          metadata?: NonNullable<Json>
          tenant_id?: string
          title?: string
          updated_at?: string
          user_id?: string
        }
        Update: {
          created_at?: string
          id?: string
          is_archived?: boolean
          metadata?: NonNullable<Json>
          tenant_id?: string
          title?: string
          updated_at?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "conversations_user"
            columns: ["tenant_id", "user_id"]
            isOneToOne: false
            referencedRelation: "users"
            referencedColumns: ["tenant_id", "id"]
          },
        ]
      }
      feedback: {
        Row: {
          comment: string | null
          created_at: string
          id: string
          message_id: string
          rating: number
          user_id: string
        }
        Insert: {
          comment?: string | null
          created_at?: string
          id?: string
          message_id: string
          rating: number
          user_id?: string
        }
        Update: {
          comment?: string | null
          created_at?: string
          id?: string
          message_id?: string
          rating?: number
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "feedback_message"
            columns: ["message_id"]
            isOneToOne: false
            referencedRelation: "messages"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "feedback_user"
            columns: ["user_id"]
            isOneToOne: false
            referencedRelation: "users"
            referencedColumns: ["id"]
          },
        ]
      }
      messages: {
        Row: {
          content: string
          conversation_id: string
          created_at: string
          id: string
          latency_ms: number | null
          metadata: NonNullable<Json>
          model_used: string | null
          role: string
          token_count: number | null
        }
        Insert: {
          content: string
          conversation_id: string
          created_at?: string
          id?: string
          latency_ms?: number | null
          metadata?: NonNullable<Json>
          model_used?: string | null
          role?: string
          token_count?: number | null
        }
        Update: {
          content?: string
          conversation_id?: string
          created_at?: string
          id?: string
          latency_ms?: number | null
          metadata?: NonNullable<Json>
          model_used?: string | null
          role?: string
          token_count?: number | null
        }
        Relationships: [
          {
            foreignKeyName: "messages_conversation"
            columns: ["conversation_id"]
            isOneToOne: false
            referencedRelation: "conversations"
            referencedColumns: ["id"]
          },
        ]
      }
      tenants: {
        Row: {
          branding: NonNullable<Json>
          created_at: string
          daily_token_limit: number
          features: NonNullable<Json>
          id: string
          is_active: boolean
          llm_model: string
          llm_provider: string
          max_tokens: number
          name: string
          rate_limit_per_minute: number
          slug: string
          system_prompt: string | null
          temperature: number | null
          updated_at: string
        }
        Insert: {
          branding?: NonNullable<Json>
          created_at?: string
          daily_token_limit?: number
          features?: NonNullable<Json>
          id?: string
          is_active?: boolean
          llm_model: string
          llm_provider: string
          max_tokens?: number
          name: string
          rate_limit_per_minute?: number
          slug: string
          system_prompt?: string | null
          temperature?: number | null
          updated_at?: string
        }
        Update: {
          branding?: NonNullable<Json>
          created_at?: string
          daily_token_limit?: number
          features?: NonNullable<Json>
          id?: string
          is_active?: boolean
          llm_model?: string
          llm_provider?: string
          max_tokens?: number
          name?: string
          rate_limit_per_minute?: number
          slug?: string
          system_prompt?: string | null
          temperature?: number | null
          updated_at?: string
        }
        Relationships: []
      }
      usage_metrics: {
        Row: {
          completion_tokens: number
          created_at: string
          date: string
          estimated_cost: number
          id: string
          prompt_tokens: number
          request_count: number
          tenant_id: string
          total_tokens: number
          user_id: string | null
        }
        Insert: {
          completion_tokens?: number
          created_at?: string
          date: string
          estimated_cost?: number
          id?: string
          prompt_tokens?: number
          request_count?: number
          tenant_id: string
          total_tokens?: number
          user_id?: string | null
        }
        Update: {
          completion_tokens?: number
          created_at?: string
          date?: string
          estimated_cost?: number
          id?: string
          prompt_tokens?: number
          request_count?: number
          tenant_id?: string
          total_tokens?: number
          user_id?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "usage_metrics_tenant"
            columns: ["tenant_id"]
            isOneToOne: false
            referencedRelation: "tenants"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "usage_metrics_user"
            columns: ["tenant_id", "user_id"]
            isOneToOne: false
            referencedRelation: "users"
            referencedColumns: ["tenant_id", "id"]
          },
        ]
      }
      users: {
        Row: {
          auth_id: string | null
          created_at: string
          email: string
          id: string
          is_active: boolean
          last_active_at: string | null
          name: string | null
          preferences: NonNullable<Json>
          role: string
          tenant_id: string
          updated_at: string
        }
        Insert: {
          auth_id?: string | null
          created_at?: string
          email: string
          id?: string
          is_active?: boolean
          last_active_at?: string | null
          name?: string | null
          preferences?: NonNullable<Json>
          role?: string
          tenant_id: string
          updated_at?: string
        }
        Update: {
          auth_id?: string | null
          created_at?: string
          email?: string
          id?: string
          is_active?: boolean
          last_active_at?: string | null
          name?: string | null
          preferences?: NonNullable<Json>
          role?: string
          tenant_id?: string
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: "users_tenant"
            columns: ["tenant_id"]
            isOneToOne: false
            referencedRelation: "tenants"
            referencedColumns: ["id"]
          },
        ]
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      add_usage_events: { Args: { events: Json }; Returns: Json }
      begin_chat: { Args: { request: Json }; Returns: Json }
      begin_completion: { Args: { request: Json }; Returns: Json }
      begin_request: {
        Args: { estimate: number; tenant: string; user: string }
        Returns: Json
      }
      change_member: {
        Args: { is_active?: boolean; member: string; role?: string }
        Returns: Json
      }
      change_tenant: { Args: { changes: Json; tenant: string }; Returns: Json }
      create_tenant: { Args: { tenant: Json }; Returns: Json }
      current_day_usage: { Args: Record<PropertyKey, never>; Returns: Json }
      end_request: {
        Args: {
          completion: number
          model: string
          prompt: number
          reservation: string
        }
        Returns: Json
      }
      erase_user: { Args: { user_id: string }; Returns: Json }
      find_model: { Args: { model: string }; Returns: Json }
      increment_usage_metrics: {
        Args: {
          completion: number
          cost?: number
          date: string
          prompt: number
          tenant: string
          user: string
        }
        Returns: Json
      }
      invite_member: {
        Args: { email: string; name?: string; role?: string; tenant: string }
        Returns: Json
      }
      is_admin: { Args: Record<PropertyKey, never>; Returns: boolean }
      join_tenant: { Args: { id: string }; Returns: Json }
      leave_tenant: { Args: { tenant?: string }; Returns: Json }
      list_models: { Args: Record<PropertyKey, never>; Returns: Json }
      me: {
        Args: Record<PropertyKey, never>
        Returns: Database["assistant"]["CompositeTypes"]["member"]
        SetofOptions: {
          from: "*"
          to: "member"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      message_feedback_summary: {
        Args: { conversation?: string }
        Returns: {
          conversation_id: string
          downs: number
          last_at: string
          message_id: string
          ups: number
        }[]
      }
      monthly_usage_summary: {
        Args: Record<PropertyKey, never>
        Returns: {
          completion_tokens: number
          cost_micro: number
          estimated: number
          month: string
          prompt_tokens: number
          requests: number
          total_tokens: number
          unpriced: number
          user_id: string
        }[]
      }
      my_id: { Args: Record<PropertyKey, never>; Returns: string }
      my_invitations: { Args: Record<PropertyKey, never>; Returns: Json }
      my_tenant: { Args: Record<PropertyKey, never>; Returns: string }
      remove_provider_key: { Args: { tenant: string }; Returns: Json }
      set_provider_key: {
        Args: {
          hint?: string
          key_version: number
          last_four: string
          prefix?: string
          sealed: string
          shape_warning?: string
          tenant: string
        }
        Returns: Json
      }
      usage_summary: { Args: { month?: string }; Returns: Json }
    }
    Enums: {
      [_ in never]: never
    }
    CompositeTypes: {
      member: {
        id: string | null
        tenant_id: string | null
        role: string | null
        is_private: boolean | null
        usage_of: string | null
      }
    }
  }
  clixen: {
    Tables: {
      deployments: {
        Row: {
          completed_at: string | null
          created_at: string
          deployment_url: string | null
          deployment_version: number
          duration_ms: number | null
          error_message: string | null
          id: string
          n8n_response: Json | null
          n8n_workflow_id: string | null
          started_at: string
          status: string
          user_id: string
          workflow_id: string
        }
        Insert: {
          completed_at?: string | null
          created_at?: string
          deployment_url?: string | null
          deployment_version: number
          duration_ms?: number | null
          error_message?: string | null
          id?: string
          n8n_response?: Json | null
          n8n_workflow_id?: string | null
          started_at?: string
          status?: string
          user_id: string
          workflow_id: string
        }
        Update: {
          completed_at?: string | null
          created_at?: string
          deployment_url?: string | null
          deployment_version?: number
          duration_ms?: number | null
          error_message?: string | null
          id?: string
          n8n_response?: Json | null
          n8n_workflow_id?: string | null
          started_at?: string
          status?: string
          user_id?: string
          workflow_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "deployments_workflow"
            columns: ["workflow_id", "user_id"]
            isOneToOne: false
            referencedRelation: "mvp_workflows"
            referencedColumns: ["id", "user_id"]
          },
        ]
      }
      mvp_chat_messages: {
        Row: {
          agent_type: Database["clixen"]["Enums"]["agent_type"] | null
          content: string
          created_at: string
          id: string
          metadata: NonNullable<Json>
          processing_time_ms: number | null
          role: Database["clixen"]["Enums"]["chat_role"]
          session_id: string
          tokens_used: number | null
          user_id: string
        }
        Insert: {
          agent_type?: Database["clixen"]["Enums"]["agent_type"] | null
          content: string
          created_at?: string
          id?: string
          metadata?: NonNullable<Json>
          processing_time_ms?: number | null
          role?: Database["clixen"]["Enums"]["chat_role"]
          session_id: string
          tokens_used?: number | null
          user_id?: string
        }
        Update: {
          agent_type?: Database["clixen"]["Enums"]["agent_type"] | null
          content?: string
          created_at?: string
          id?: string
          metadata?: NonNullable<Json>
          processing_time_ms?: number | null
          role?: Database["clixen"]["Enums"]["chat_role"]
          session_id?: string
          tokens_used?: number | null
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "mvp_chat_messages_session"
            columns: ["session_id", "user_id"]
            isOneToOne: false
            referencedRelation: "mvp_chat_sessions"
            referencedColumns: ["id", "user_id"]
          },
        ]
      }
      mvp_chat_sessions: {
        Row: {
          created_at: string
          id: string
          last_message_at: string | null
          message_count: number
          project_id: string
          status: string
          title: string
          updated_at: string
          user_id: string
          user_satisfied: boolean | null
          workflow_created: boolean
          workflow_deployed: boolean
          workflow_id: string | null
        }
        Insert: {
          created_at?: string
          id?: string
          last_message_at?: string | null
          message_count?: number
          project_id: string
          status?: string
          title?: string
          updated_at?: string
          user_id?: string
          user_satisfied?: boolean | null
          workflow_created?: boolean
          workflow_deployed?: boolean
          workflow_id?: string | null
        }
        Update: {
          created_at?: string
          id?: string
          last_message_at?: string | null
          message_count?: number
          project_id?: string
          status?: string
          title?: string
          updated_at?: string
          user_id?: string
          user_satisfied?: boolean | null
          workflow_created?: boolean
          workflow_deployed?: boolean
          workflow_id?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "mvp_chat_sessions_project"
            columns: ["project_id", "user_id"]
            isOneToOne: false
            referencedRelation: "mvp_project_summary"
            referencedColumns: ["id", "user_id"]
          },
          {
            foreignKeyName: "mvp_chat_sessions_project"
            columns: ["project_id", "user_id"]
            isOneToOne: false
            referencedRelation: "projects"
            referencedColumns: ["id", "user_id"]
          },
          {
            foreignKeyName: "mvp_chat_sessions_workflow"
            columns: ["workflow_id", "user_id"]
            isOneToOne: false
            referencedRelation: "mvp_workflows"
            referencedColumns: ["id", "user_id"]
          },
        ]
      }
      mvp_workflows: {
        Row: {
          avg_execution_time_ms: number | null
          created_at: string
          deployment_error: string | null
          deployment_status: string
          deployment_url: string | null
          description: string | null
          execution_count: number
          id: string
          last_deployed_at: string | null
          last_execution_at: string | null
          n8n_workflow_id: string | null
          n8n_workflow_json: NonNullable<Json>
          name: string
          original_prompt: string | null
          project_id: string
          status: string
          updated_at: string
          user_id: string
          version: number
        }
        Insert: {
          avg_execution_time_ms?: number | null
          created_at?: string
          deployment_error?: string | null
          deployment_status?: string
          deployment_url?: string | null
          description?: string | null
          execution_count?: number
          id?: string
          last_deployed_at?: string | null
          last_execution_at?: string | null
          n8n_workflow_id?: string | null
          n8n_workflow_json?: NonNullable<Json>
          name: string
          original_prompt?: string | null
          project_id: string
          status?: string
          updated_at?: string
          user_id?: string
          version?: number
        }
        Update: {
          avg_execution_time_ms?: number | null
          created_at?: string
          deployment_error?: string | null
          deployment_status?: string
          deployment_url?: string | null
          description?: string | null
          execution_count?: number
          id?: string
          last_deployed_at?: string | null
          last_execution_at?: string | null
          n8n_workflow_id?: string | null
          n8n_workflow_json?: NonNullable<Json>
          name?: string
          original_prompt?: string | null
          project_id?: string
          status?: string
          updated_at?: string
          user_id?: string
          version?: number
        }
        Relationships: [
          {
            foreignKeyName: "mvp_workflows_project"
            columns: ["project_id", "user_id"]
            isOneToOne: false
            referencedRelation: "mvp_project_summary"
            referencedColumns: ["id", "user_id"]
          },
          {
            foreignKeyName: "mvp_workflows_project"
            columns: ["project_id", "user_id"]
            isOneToOne: false
            referencedRelation: "projects"
            referencedColumns: ["id", "user_id"]
          },
        ]
      }
      projects: {
        Row: {
          color: string
          created_at: string
          description: string | null
          id: string
          last_activity_at: string
          name: string
          updated_at: string
          user_id: string
          workflow_count: number
        }
        Insert: {
          color?: string
          created_at?: string
          description?: string | null
          id?: string
          last_activity_at?: string
          name: string
          updated_at?: string
          user_id?: string
          workflow_count?: number
        }
        Update: {
          color?: string
          created_at?: string
          description?: string | null
          id?: string
          last_activity_at?: string
          name?: string
          updated_at?: string
          user_id?: string
          workflow_count?: number
        }
        Relationships: []
      }
      telemetry_events: {
        Row: {
          created_at: string
          duration_ms: number | null
          error_message: string | null
          event_category: string
          event_data: NonNullable<Json>
          event_type: string
          id: string
          ip_address: unknown
          project_id: string | null
          referer: string | null
          session_id: string | null
          success: boolean | null
          user_agent: string | null
          user_id: string | null
          workflow_id: string | null
        }
        Insert: {
          created_at?: string
          duration_ms?: number | null
          error_message?: string | null
          event_category: string
          event_data?: NonNullable<Json>
          event_type: string
          id?: string
          ip_address?: unknown
          project_id?: string | null
          referer?: string | null
          session_id?: string | null
          success?: boolean | null
          user_agent?: string | null
          user_id?: string | null
          workflow_id?: string | null
        }
        Update: {
          created_at?: string
          duration_ms?: number | null
          error_message?: string | null
          event_category?: string
          event_data?: NonNullable<Json>
          event_type?: string
          id?: string
          ip_address?: unknown
          project_id?: string | null
          referer?: string | null
          session_id?: string | null
          success?: boolean | null
          user_agent?: string | null
          user_id?: string | null
          workflow_id?: string | null
        }
        Relationships: []
      }
      user_profiles: {
        Row: {
          avatar_url: string | null
          created_at: string
          email: string | null
          first_deployment_at: string | null
          first_workflow_created_at: string | null
          full_name: string | null
          id: string
          onboarding_completed: boolean
          preferences: NonNullable<Json>
          tier: string
          total_deployments: number
          total_projects: number
          total_workflows_created: number
          updated_at: string
        }
        Insert: {
          avatar_url?: string | null
          created_at?: string
          email?: string | null
          first_deployment_at?: string | null
          first_workflow_created_at?: string | null
          full_name?: string | null
          id: string
          onboarding_completed?: boolean
          preferences?: NonNullable<Json>
          tier?: string
          total_deployments?: number
          total_projects?: number
          total_workflows_created?: number
          updated_at?: string
        }
        Update: {
          avatar_url?: string | null
          created_at?: string
          email?: string | null
          first_deployment_at?: string | null
          first_workflow_created_at?: string | null
          full_name?: string | null
          id?: string
          onboarding_completed?: boolean
          preferences?: NonNullable<Json>
          tier?: string
          total_deployments?: number
          total_projects?: number
          total_workflows_created?: number
          updated_at?: string
        }
        Relationships: []
      }
    }
    Views: {
      mvp_project_summary: {
        Row: {
          chat_count: number | null
          color: string | null
          created_at: string | null
          description: string | null
          failed_deployments: number | null
          id: string | null
          last_activity_at: string | null
          last_message_at: string | null
          last_workflow_id: string | null
          last_workflow_name: string | null
          last_workflow_updated_at: string | null
          name: string | null
          open_deployments: number | null
          updated_at: string | null
          user_id: string | null
          workflow_count: number | null
        }
        Insert: {
          chat_count?: number | null
          color?: string | null
          created_at?: string | null
          description?: string | null
          failed_deployments?: number | null
          id?: string | null
          last_activity_at?: string | null
          last_message_at?: string | null
          last_workflow_id?: string | null
          last_workflow_name?: string | null
          last_workflow_updated_at?: string | null
          name?: string | null
          open_deployments?: number | null
          updated_at?: string | null
          user_id?: string | null
          workflow_count?: number | null
        }
        Update: {
          chat_count?: number | null
          color?: string | null
          created_at?: string | null
          description?: string | null
          failed_deployments?: number | null
          id?: string | null
          last_activity_at?: string | null
          last_message_at?: string | null
          last_workflow_id?: string | null
          last_workflow_name?: string | null
          last_workflow_updated_at?: string | null
          name?: string | null
          open_deployments?: number | null
          updated_at?: string | null
          user_id?: string | null
          workflow_count?: number | null
        }
        Relationships: []
      }
      mvp_user_dashboard_stats: {
        Row: {
          active_chats: number | null
          archived_workflows: number | null
          deployed_workflows: number | null
          draft_workflows: number | null
          failed_workflows: number | null
          first_deployment_at: string | null
          first_workflow_created_at: string | null
          last_activity_at: string | null
          open_deployments: number | null
          tier: string | null
          total_chats: number | null
          total_deployments: number | null
          total_projects: number | null
          total_workflows_created: number | null
          user_id: string | null
          validated_workflows: number | null
        }
        Insert: {
          active_chats?: number | null
          archived_workflows?: number | null
          deployed_workflows?: number | null
          draft_workflows?: number | null
          failed_workflows?: number | null
          first_deployment_at?: string | null
          first_workflow_created_at?: string | null
          last_activity_at?: string | null
          open_deployments?: number | null
          tier?: string | null
          total_chats?: number | null
          total_deployments?: number | null
          total_projects?: number | null
          total_workflows_created?: number | null
          user_id?: string | null
          validated_workflows?: number | null
        }
        Update: {
          active_chats?: number | null
          archived_workflows?: number | null
          deployed_workflows?: number | null
          draft_workflows?: number | null
          failed_workflows?: number | null
          first_deployment_at?: string | null
          first_workflow_created_at?: string | null
          last_activity_at?: string | null
          open_deployments?: number | null
          tier?: string | null
          total_chats?: number | null
          total_deployments?: number | null
          total_projects?: number | null
          total_workflows_created?: number | null
          user_id?: string | null
          validated_workflows?: number | null
        }
        Relationships: []
      }
    }
    Functions: {
      create_user_profile: {
        Args: Record<PropertyKey, never>
        Returns: {
          avatar_url: string | null
          created_at: string
          email: string | null
          first_deployment_at: string | null
          first_workflow_created_at: string | null
          full_name: string | null
          id: string
          onboarding_completed: boolean
          preferences: NonNullable<Json>
          tier: string
          total_deployments: number
          total_projects: number
          total_workflows_created: number
          updated_at: string
        }
        SetofOptions: {
          from: "*"
          to: "user_profiles"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      erase_user: { Args: { user_id: string }; Returns: Json }
      get_or_create_default_project: {
        Args: { user_id?: string }
        Returns: {
          color: string
          created_at: string
          description: string | null
          id: string
          last_activity_at: string
          name: string
          updated_at: string
          user_id: string
          workflow_count: number
        }
        SetofOptions: {
          from: "*"
          to: "projects"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      may_finish_deployments: {
        Args: Record<PropertyKey, never>
        Returns: boolean
      }
      open_deployment: {
        Args: { of_version?: number; workflow_id: string }
        Returns: Json
      }
      record_execution: {
        Args: {
          duration_ms: number
          finished_at: string
          n8n_workflow_id: string
        }
        Returns: boolean
      }
      track_telemetry: { Args: { events: Json }; Returns: Json }
    }
    Enums: {
      agent_type: "system" | "orchestrator" | "workflow_designer" | "deployment"
      chat_role: "user" | "assistant" | "system"
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
  experiments: {
    Tables: {
      assignments: {
        Row: {
          assigned_at: string
          bucket_version: number
          country: string | null
          experiment_id: string
          exposure_count: number
          first_exposure_at: string | null
          id: string
          last_exposure_at: string | null
          session_id: string | null
          source: Database["experiments"]["Enums"]["assignment_source"]
          unit_key: string
          user_id: string | null
          variant_id: string
        }
        Insert: {
          assigned_at?: string
          bucket_version: number
          country?: string | null
          experiment_id: string
          exposure_count?: number
          first_exposure_at?: string | null
          id?: string
          last_exposure_at?: string | null
          session_id?: string | null
          source?: Database["experiments"]["Enums"]["assignment_source"]
          unit_key: string
          user_id?: string | null
          variant_id: string
        }
        Update: {
          assigned_at?: string
          bucket_version?: number
          country?: string | null
          experiment_id?: string
          exposure_count?: number
          first_exposure_at?: string | null
          id?: string
          last_exposure_at?: string | null
          session_id?: string | null
          source?: Database["experiments"]["Enums"]["assignment_source"]
          unit_key?: string
          user_id?: string | null
          variant_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "assignments_experiment"
            columns: ["experiment_id"]
            isOneToOne: false
            referencedRelation: "experiments"
            referencedColumns: ["id"]
          },
        ]
      }
      experiments: {
        Row: {
          bucket_version: number
          control_variant: NonNullable<Json>
          created_at: string
          created_by: string | null
          description: string | null
          end_date: string | null
          hash_seed: string
          hash_version: number
          hypothesis: string | null
          id: string
          is_active: boolean
          name: string
          namespace: Json | null
          primary_metric: string | null
          results: Json | null
          start_date: string | null
          status: string
          targeting_rules: NonNullable<Json>
          test_variants: NonNullable<Json>
          traffic_percentage: number
          unit: Database["experiments"]["Enums"]["unit_kind"]
          updated_at: string
          winner_variant_id: string | null
        }
        Insert: {
          bucket_version?: number
          control_variant: NonNullable<Json>
          created_at?: string
          created_by?: string | null
          description?: string | null
          end_date?: string | null
          hash_seed: string
          hash_version?: number
          hypothesis?: string | null
          id?: string
          is_active?: boolean
          name: string
          namespace?: Json | null
          primary_metric?: string | null
          results?: Json | null
          start_date?: string | null
          status?: string
          targeting_rules?: NonNullable<Json>
          test_variants: NonNullable<Json>
          traffic_percentage?: number
          unit?: Database["experiments"]["Enums"]["unit_kind"]
          updated_at?: string
          winner_variant_id?: string | null
        }
        Update: {
          bucket_version?: number
          control_variant?: NonNullable<Json>
          created_at?: string
          created_by?: string | null
          description?: string | null
          end_date?: string | null
          hash_seed?: string
          hash_version?: number
          hypothesis?: string | null
          id?: string
          is_active?: boolean
          name?: string
          namespace?: Json | null
          primary_metric?: string | null
          results?: Json | null
          start_date?: string | null
          status?: string
          targeting_rules?: NonNullable<Json>
          test_variants?: NonNullable<Json>
          traffic_percentage?: number
          unit?: Database["experiments"]["Enums"]["unit_kind"]
          updated_at?: string
          winner_variant_id?: string | null
        }
        Relationships: []
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      auto_assign_experiments: {
        Args: { country?: string; session_id?: string; user_id?: string }
        Returns: Json
      }
      experiment_results: { Args: { experiment_id: string }; Returns: Json }
      fnv1a32: { Args: { value: string }; Returns: number }
      hash: {
        Args: { seed: string; value: string; version: number }
        Returns: number
      }
      override_assignment: {
        Args: {
          experiment_id: string
          session_id?: string
          user_id?: string
          variant_id?: string
        }
        Returns: Json
      }
      record_exposures: { Args: { exposures: Json }; Returns: Json }
    }
    Enums: {
      assignment_source: "hash" | "override"
      unit_kind: "user_id" | "session_id"
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
  flashfusion: {
    Tables: {
      agent_tasks: {
        Row: {
          agent_id: string
          completed_at: string | null
          created_at: string
          dead_at: string | null
          error_message: string | null
          errors: Json[]
          execution_time_ms: number | null
          id: string
          idempotency_key: string | null
          lease_expires_at: string | null
          lease_token: string | null
          locked_by: string | null
          max_retries: number
          priority: number
          project_id: string | null
          result: Json | null
          retry_count: number
          run_at: string
          started_at: string | null
          status: string
          task_data: NonNullable<Json>
          task_type: string
          user_id: string
        }
        Insert: {
          agent_id: string
          completed_at?: string | null
          created_at?: string
          dead_at?: string | null
          error_message?: string | null
          errors?: Json[]
          execution_time_ms?: number | null
          id?: string
          idempotency_key?: string | null
          lease_expires_at?: string | null
          lease_token?: string | null
          locked_by?: string | null
          max_retries?: number
          priority?: number
          project_id?: string | null
          result?: Json | null
          retry_count?: number
          run_at?: string
          started_at?: string | null
          status?: string
          task_data?: NonNullable<Json>
          task_type: string
          user_id: string
        }
        Update: {
          agent_id?: string
          completed_at?: string | null
          created_at?: string
          dead_at?: string | null
          error_message?: string | null
          errors?: Json[]
          execution_time_ms?: number | null
          id?: string
          idempotency_key?: string | null
          lease_expires_at?: string | null
          lease_token?: string | null
          locked_by?: string | null
          max_retries?: number
          priority?: number
          project_id?: string | null
          result?: Json | null
          retry_count?: number
          run_at?: string
          started_at?: string | null
          status?: string
          task_data?: NonNullable<Json>
          task_type?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "agent_tasks_agent_id"
            columns: ["agent_id"]
            isOneToOne: false
            referencedRelation: "agents"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "agent_tasks_project_id"
            columns: ["project_id", "user_id"]
            isOneToOne: false
            referencedRelation: "projects"
            referencedColumns: ["id", "user_id"]
          },
        ]
      }
      agents: {
        Row: {
          capabilities: NonNullable<Json>
          created_at: string
          id: string
          is_active: boolean
          last_activity_at: string | null
          name: string
          status: string
          type: string
          updated_at: string
          version: string
          config: Json | null
          health_check_url: string | null
        }
        Insert: {
          capabilities?: NonNullable<Json>
          created_at?: string
          id?: string
          is_active?: boolean
          last_activity_at?: string | null
          name: string
          status?: string
          type: string
          updated_at?: string
          version?: string
        }
        Update: {
          capabilities?: NonNullable<Json>
          created_at?: string
          id?: string
          is_active?: boolean
          last_activity_at?: string | null
          name?: string
          status?: string
          type?: string
          updated_at?: string
          version?: string
        }
        Relationships: []
      }
      ai_services: {
        Row: {
          api_endpoint: string | null
          capabilities: NonNullable<Json>
          context_window: number | null
          cost_per_1k_tokens: number | null
          created_at: string
          id: string
          is_active: boolean
          max_tokens: number | null
          model_name: string
          name: string
          pricing_model: string
          provider: string
          supports_function_calling: boolean
          supports_streaming: boolean
          updated_at: string
          price: Json | null
        }
        Insert: {
          api_endpoint?: string | null
          capabilities?: NonNullable<Json>
          context_window?: number | null
          cost_per_1k_tokens?: number | null
          created_at?: string
          id?: string
          is_active?: boolean
          max_tokens?: number | null
          model_name: string
          name: string
          pricing_model?: string
          provider: string
          supports_function_calling?: boolean
          supports_streaming?: boolean
          updated_at?: string
        }
        Update: {
          api_endpoint?: string | null
          capabilities?: NonNullable<Json>
          context_window?: number | null
          cost_per_1k_tokens?: number | null
          created_at?: string
          id?: string
          is_active?: boolean
          max_tokens?: number | null
          model_name?: string
          name?: string
          pricing_model?: string
          provider?: string
          supports_function_calling?: boolean
          supports_streaming?: boolean
          updated_at?: string
        }
        Relationships: []
      }
      billing: {
        Row: {
          amount: number | null
          billing_cycle: string | null
          cancel_at_period_end: boolean
          created_at: string
          currency: string | null
          current_period_end: string | null
          current_period_start: string | null
          id: string
          last_event_at: string
          metadata: NonNullable<Json>
          plan_name: string
          price_id: string | null
          status: string
          stripe_customer_id: string
          subscription_id: string
          updated_at: string
          user_id: string
        }
        Insert: {
          amount?: number | null
          billing_cycle?: string | null
          cancel_at_period_end?: boolean
          created_at?: string
          currency?: string | null
          current_period_end?: string | null
          current_period_start?: string | null
          id?: string
          last_event_at: string
          metadata?: NonNullable<Json>
          plan_name: string
          price_id?: string | null
          status: string
          stripe_customer_id: string
          subscription_id: string
          updated_at?: string
          user_id: string
        }
        Update: {
          amount?: number | null
          billing_cycle?: string | null
          cancel_at_period_end?: boolean
          created_at?: string
          currency?: string | null
          current_period_end?: string | null
          current_period_start?: string | null
          id?: string
          last_event_at?: string
          metadata?: NonNullable<Json>
          plan_name?: string
          price_id?: string | null
          status?: string
          stripe_customer_id?: string
          subscription_id?: string
          updated_at?: string
          user_id?: string
        }
        Relationships: []
      }
      code_generations: {
        Row: {
          ai_service_id: string
          completed_at: string | null
          cost_estimate: number | null
          created_at: string
          error_message: string | null
          file_path: string | null
          framework: string | null
          generated_code: string | null
          generation_type: string
          id: string
          language: string | null
          metadata: NonNullable<Json>
          project_id: string
          prompt: string
          quality_score: number | null
          status: string
          tokens_used: number | null
          user_id: string
        }
        Insert: {
          ai_service_id: string
          completed_at?: string | null
          cost_estimate?: number | null
          created_at?: string
          error_message?: string | null
          file_path?: string | null
          framework?: string | null
          generated_code?: string | null
          generation_type?: string
          id?: string
          language?: string | null
          metadata?: NonNullable<Json>
          project_id: string
          prompt: string
          quality_score?: number | null
          status?: string
          tokens_used?: number | null
          user_id: string
        }
        Update: {
          ai_service_id?: string
          completed_at?: string | null
          cost_estimate?: number | null
          created_at?: string
          error_message?: string | null
          file_path?: string | null
          framework?: string | null
          generated_code?: string | null
          generation_type?: string
          id?: string
          language?: string | null
          metadata?: NonNullable<Json>
          project_id?: string
          prompt?: string
          quality_score?: number | null
          status?: string
          tokens_used?: number | null
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "code_generations_ai_service_id"
            columns: ["ai_service_id"]
            isOneToOne: false
            referencedRelation: "ai_services"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "code_generations_project"
            columns: ["project_id", "user_id"]
            isOneToOne: false
            referencedRelation: "projects"
            referencedColumns: ["id", "user_id"]
          },
        ]
      }
      deployments: {
        Row: {
          build_logs: string | null
          created_at: string
          deployed_at: string | null
          deployment_config: NonNullable<Json>
          deployment_target: string
          deployment_url: string | null
          domain: string | null
          environment_variables: string[]
          error_message: string | null
          id: string
          is_production: boolean
          project_id: string
          status: string
          user_id: string
          version: number
        }
        Insert: {
          build_logs?: string | null
          created_at?: string
          deployed_at?: string | null
          deployment_config?: NonNullable<Json>
          deployment_target: string
          deployment_url?: string | null
          domain?: string | null
          environment_variables?: string[]
          error_message?: string | null
          id?: string
          is_production?: boolean
          project_id: string
          status?: string
          user_id?: string
          version: number
        }
        Update: {
          build_logs?: string | null
          created_at?: string
          deployed_at?: string | null
          deployment_config?: NonNullable<Json>
          deployment_target?: string
          deployment_url?: string | null
          domain?: string | null
          environment_variables?: string[]
          error_message?: string | null
          id?: string
          is_production?: boolean
          project_id?: string
          status?: string
          user_id?: string
          version?: number
        }
        Relationships: [
          {
            foreignKeyName: "deployments_project"
            columns: ["project_id", "user_id"]
            isOneToOne: false
            referencedRelation: "projects"
            referencedColumns: ["id", "user_id"]
          },
        ]
      }
      integrations: {
        Row: {
          config: NonNullable<Json>
          created_at: string
          credentials: string[]
          id: string
          integration_name: string
          integration_type: string
          last_sync_at: string | null
          metadata: NonNullable<Json>
          status: string
          sync_frequency: string
          updated_at: string
          user_id: string
        }
        Insert: {
          config?: NonNullable<Json>
          created_at?: string
          credentials?: string[]
          id?: string
          integration_name: string
          integration_type: string
          last_sync_at?: string | null
          metadata?: NonNullable<Json>
          status?: string
          sync_frequency?: string
          updated_at?: string
          user_id?: string
        }
        Update: {
          config?: NonNullable<Json>
          created_at?: string
          credentials?: string[]
          id?: string
          integration_name?: string
          integration_type?: string
          last_sync_at?: string | null
          metadata?: NonNullable<Json>
          status?: string
          sync_frequency?: string
          updated_at?: string
          user_id?: string
        }
        Relationships: []
      }
      notifications: {
        Row: {
          action_url: string | null
          created_at: string
          dedupe_key: string | null
          id: string
          is_read: boolean
          message: string
          metadata: NonNullable<Json>
          read_at: string | null
          title: string
          type: string
          user_id: string
        }
        Insert: {
          action_url?: string | null
          created_at?: string
          dedupe_key?: string | null
          id?: string
          is_read?: boolean
          message: string
          metadata?: NonNullable<Json>
          read_at?: string | null
          title: string
          type?: string
          user_id: string
        }
        Update: {
          action_url?: string | null
          created_at?: string
          dedupe_key?: string | null
          id?: string
          is_read?: boolean
          message?: string
          metadata?: NonNullable<Json>
          read_at?: string | null
          title?: string
          type?: string
          user_id?: string
        }
        Relationships: []
      }
      projects: {
        Row: {
          config: NonNullable<Json>
          created_at: string
          deployment_url: string | null
          description: string | null
          features: NonNullable<Json>
          framework: string | null
          id: string
          is_public: boolean
          last_accessed_at: string
          name: string
          project_type: string
          repository_url: string | null
          status: string
          template: string | null
          updated_at: string
          user_id: string
          version: number
        }
        Insert: {
          config?: NonNullable<Json>
          created_at?: string
          deployment_url?: string | null
          description?: string | null
          features?: NonNullable<Json>
          framework?: string | null
          id?: string
          is_public?: boolean
          last_accessed_at?: string
          name: string
          project_type?: string
          repository_url?: string | null
          status?: string
          template?: string | null
          updated_at?: string
          user_id?: string
          version?: number
        }
        Update: {
          config?: NonNullable<Json>
          created_at?: string
          deployment_url?: string | null
          description?: string | null
          features?: NonNullable<Json>
          framework?: string | null
          id?: string
          is_public?: boolean
          last_accessed_at?: string
          name?: string
          project_type?: string
          repository_url?: string | null
          status?: string
          template?: string | null
          updated_at?: string
          user_id?: string
          version?: number
        }
        Relationships: []
      }
      usage_analytics: {
        Row: {
          api_tokens_used: number
          cost_incurred: number
          event_data: NonNullable<Json>
          event_type: string
          id: string
          ip_address: unknown
          project_id: string | null
          session_id: string | null
          timestamp: string
          user_agent: string | null
          user_id: string
        }
        Insert: {
          api_tokens_used?: number
          cost_incurred?: number
          event_data?: NonNullable<Json>
          event_type: string
          id?: string
          ip_address?: unknown
          project_id?: string | null
          session_id?: string | null
          timestamp?: string
          user_agent?: string | null
          user_id: string
        }
        Update: {
          api_tokens_used?: number
          cost_incurred?: number
          event_data?: NonNullable<Json>
          event_type?: string
          id?: string
          ip_address?: unknown
          project_id?: string | null
          session_id?: string | null
          timestamp?: string
          user_agent?: string | null
          user_id?: string
        }
        Relationships: []
      }
      user_api_keys: {
        Row: {
          agents: string[]
          created_at: string
          expires_at: string | null
          fingerprint: string
          id: string
          is_active: boolean
          key_alias: string | null
          key_prefix: string | null
          last_four: string
          last_used_at: string | null
          projects: string[]
          revoked_at: string | null
          rotated_from: string | null
          service_name: string
          status: string
          updated_at: string
          usage_count: number
          user_id: string
          verified_at: string | null
        }
        Insert: {
          agents?: string[]
          created_at?: string
          expires_at?: string | null
          fingerprint: string
          id: string
          is_active?: boolean
          key_alias?: string | null
          key_prefix?: string | null
          last_four: string
          last_used_at?: string | null
          projects?: string[]
          revoked_at?: string | null
          rotated_from?: string | null
          service_name: string
          status?: string
          updated_at?: string
          usage_count?: number
          user_id: string
          verified_at?: string | null
        }
        Update: {
          agents?: string[]
          created_at?: string
          expires_at?: string | null
          fingerprint?: string
          id?: string
          is_active?: boolean
          key_alias?: string | null
          key_prefix?: string | null
          last_four?: string
          last_used_at?: string | null
          projects?: string[]
          revoked_at?: string | null
          rotated_from?: string | null
          service_name?: string
          status?: string
          updated_at?: string
          usage_count?: number
          user_id?: string
          verified_at?: string | null
        }
        Relationships: []
      }
      users: {
        Row: {
          api_usage_count: number
          api_usage_limit: number
          auth_id: string | null
          avatar_url: string | null
          created_at: string
          email: string | null
          full_name: string | null
          id: string
          is_active: boolean
          last_login_at: string | null
          onboarding_completed: boolean
          preferences: NonNullable<Json>
          subscription_tier: string
          updated_at: string
          username: string | null
        }
        Insert: {
          api_usage_count?: number
          api_usage_limit?: number
          auth_id?: never
          avatar_url?: string | null
          created_at?: string
          email?: string | null
          full_name?: string | null
          id: string
          is_active?: boolean
          last_login_at?: string | null
          onboarding_completed?: boolean
          preferences?: NonNullable<Json>
          subscription_tier?: string
          updated_at?: string
          username?: string | null
        }
        Update: {
          api_usage_count?: number
          api_usage_limit?: number
          auth_id?: never
          avatar_url?: string | null
          created_at?: string
          email?: string | null
          full_name?: string | null
          id?: string
          is_active?: boolean
          last_login_at?: string | null
          onboarding_completed?: boolean
          preferences?: NonNullable<Json>
          subscription_tier?: string
          updated_at?: string
          username?: string | null
        }
        Relationships: []
      }
    }
    Views: {
      public_projects: {
        Row: {
          created_at: string | null
          deployment_url: string | null
          description: string | null
          framework: string | null
          id: string | null
          name: string | null
          owner: string | null
          project_type: string | null
          template: string | null
        }
        Insert: {
          created_at?: string | null
          deployment_url?: string | null
          description?: string | null
          framework?: string | null
          id?: string | null
          name?: string | null
          owner?: string | null
          project_type?: string | null
          template?: string | null
        }
        Update: {
          created_at?: string | null
          deployment_url?: string | null
          description?: string | null
          framework?: string | null
          id?: string | null
          name?: string | null
          owner?: string | null
          project_type?: string | null
          template?: string | null
        }
        Relationships: []
      }
    }
    Functions: {
      add_key: {
        Args: {
          agents?: string[]
          alias?: string
          expires_at?: string
          fingerprint: string
          hint?: string
          key_id: string
          key_version: number
          last_four: string
          owner_id: string
          prefix: string
          projects?: string[]
          sealed: string
          service: string
          shape_warning?: string
          verify?: boolean
        }
        Returns: Json
      }
      agent_settings: {
        Args: { agent_id: string; config?: Json; health_check_url?: string }
        Returns: Json
      }
      cancel_task: { Args: { id: string }; Returns: Json }
      checkout_reference: { Args: { price: string }; Returns: Json }
      claim_tasks: {
        Args: {
          agents?: string[]
          lease_seconds?: number
          quantity?: number
          types?: string[]
          worker: string
        }
        Returns: Json
      }
      complete_task: {
        Args: {
          execution_time_ms?: number
          lease_token: string
          result?: Json
          task_id: string
        }
        Returns: Json
      }
      complete_tasks: { Args: { tasks: Json }; Returns: Json }
      config: {
        Args: { agent: Database["flashfusion"]["Tables"]["agents"]["Row"] }
        Returns: Json
      }
      confirm_key: { Args: { id: string }; Returns: Json }
      enqueue_task: {
        Args: {
          agent_id: string
          delay_seconds?: number
          max_retries?: number
          priority?: number
          project_id?: string
          run_at?: string
          task_data?: Json
          task_type: string
        }
        Returns: Json
      }
      ensure_user: {
        Args: Record<PropertyKey, never>
        Returns: {
          api_usage_count: number
          api_usage_limit: number
          auth_id: string | null
          avatar_url: string | null
          created_at: string
          email: string | null
          full_name: string | null
          id: string
          is_active: boolean
          last_login_at: string | null
          onboarding_completed: boolean
          preferences: NonNullable<Json>
          subscription_tier: string
          updated_at: string
          username: string | null
        }
        SetofOptions: {
          from: "*"
          to: "users"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      erase_user: { Args: { user_id: string }; Returns: Json }
      fail_task: {
        Args: {
          error: string
          lease_token: string
          retry?: boolean
          task_id: string
        }
        Returns: Json
      }
      finish_generation: {
        Args: {
          cache_read_tokens?: number
          cache_write_tokens?: number
          error?: string
          generated_code?: string
          id: string
          input_tokens?: number
          output_tokens?: number
        }
        Returns: {
          ai_service_id: string
          completed_at: string | null
          cost_estimate: number | null
          created_at: string
          error_message: string | null
          file_path: string | null
          framework: string | null
          generated_code: string | null
          generation_type: string
          id: string
          language: string | null
          metadata: NonNullable<Json>
          project_id: string
          prompt: string
          quality_score: number | null
          status: string
          tokens_used: number | null
          user_id: string
        }
        SetofOptions: {
          from: "*"
          to: "code_generations"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      health_check_url: {
        Args: { agent: Database["flashfusion"]["Tables"]["agents"]["Row"] }
        Returns: string
      }
      heartbeat_task: {
        Args: { lease_seconds?: number; lease_token: string; task_id: string }
        Returns: Json
      }
      list_agents: { Args: Record<PropertyKey, never>; Returns: Json }
      list_services: { Args: Record<PropertyKey, never>; Returns: Json }
      may_fetch_thin_events: {
        Args: Record<PropertyKey, never>
        Returns: boolean
      }
      open_credentials: { Args: { integration_id: string }; Returns: Json }
      open_environment: { Args: { deployment_id: string }; Returns: Json }
      open_key: {
        Args: { key_id: string; lease_token?: string; task_id?: string }
        Returns: Json
      }
      pause_tasks: {
        Args: {
          agent_id?: string
          reason?: string
          until: string
          user_id?: string
        }
        Returns: Json
      }
      portal_reference: { Args: Record<PropertyKey, never>; Returns: Json }
      price: {
        Args: {
          service: Database["flashfusion"]["Tables"]["ai_services"]["Row"]
        }
        Returns: Json
      }
      read_notifications: {
        Args: { everything?: boolean; ids?: string[] }
        Returns: Json
      }
      revoke_key: { Args: { id: string }; Returns: boolean }
      rotate_key: {
        Args: {
          expires_at?: string
          fingerprint: string
          hint?: string
          key_id: string
          key_version: number
          last_four: string
          owner_id: string
          prefix: string
          replaces: string
          sealed: string
          shape_warning?: string
          verify?: boolean
        }
        Returns: Json
      }
      set_credentials: {
        Args: {
          integration_id: string
          key_version: number
          names: string[]
          owner_id: string
          sealed: string
        }
        Returns: Json
      }
      set_environment: {
        Args: {
          deployment_id: string
          key_version: number
          names: string[]
          owner_id: string
          sealed: string
        }
        Returns: Json
      }
      snooze_task: {
        Args: { lease_token: string; seconds: number; task_id: string }
        Returns: Json
      }
      start_generation: {
        Args: {
          ai_service_id: string
          file_path?: string
          framework?: string
          generation_type?: string
          language?: string
          metadata?: Json
          project_id: string
          prompt: string
        }
        Returns: {
          ai_service_id: string
          completed_at: string | null
          cost_estimate: number | null
          created_at: string
          error_message: string | null
          file_path: string | null
          framework: string | null
          generated_code: string | null
          generation_type: string
          id: string
          language: string | null
          metadata: NonNullable<Json>
          project_id: string
          prompt: string
          quality_score: number | null
          status: string
          tokens_used: number | null
          user_id: string
        }
        SetofOptions: {
          from: "*"
          to: "code_generations"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      take_billing_event: { Args: { event: Json }; Returns: Json }
      usage_summary: { Args: { month?: string }; Returns: Json }
      verify_key: { Args: { id: string }; Returns: Json }
    }
    Enums: {
      [_ in never]: never
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
  marketing: {
    Tables: {
      lead_interactions: {
        Row: {
          completed_at: string | null
          created_at: string
          created_by: string | null
          description: string | null
          id: string
          interaction_type: string
          lead_id: string
          metadata: NonNullable<Json>
          outcome: string | null
          scheduled_at: string | null
          subject: string | null
          submission: Json | null
        }
        Insert: {
          completed_at?: string | null
          created_at?: string
          created_by?: string | null
          description?: string | null
          id?: string
          interaction_type: string
          lead_id: string
          metadata?: NonNullable<Json>
          outcome?: string | null
          scheduled_at?: string | null
          subject?: string | null
          submission?: Json | null
        }
        Update: {
          completed_at?: string | null
          created_at?: string
          created_by?: string | null
          description?: string | null
          id?: string
          interaction_type?: string
          lead_id?: string
          metadata?: NonNullable<Json>
          outcome?: string | null
          scheduled_at?: string | null
          subject?: string | null
          submission?: Json | null
        }
        Relationships: [
          {
            foreignKeyName: "lead_interactions_lead_id"
            columns: ["lead_id"]
            isOneToOne: false
            referencedRelation: "leads"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "lead_interactions_lead_id"
            columns: ["lead_id"]
            isOneToOne: false
            referencedRelation: "leads_csv"
            referencedColumns: ["id"]
          },
        ]
      }
      leads: {
        Row: {
          city: string | null
          company_name: string | null
          country_code: string | null
          created_at: string
          deleted_at: string | null
          email: string
          email_domain: string
          email_normalized: string
          first_name: string | null
          first_touch: NonNullable<Json>
          id: string
          interested_features: string[]
          is_spam: boolean
          landing_page: string | null
          last_name: string | null
          last_touch: NonNullable<Json>
          metadata: NonNullable<Json>
          network: unknown
          notes: string | null
          opt_in_status: string
          opted_in_at: string | null
          phone_number: string | null
          referrer: string | null
          region: string | null
          source: string
          spam_reason: string | null
          spam_score: number
          status: string
          submission_count: number
          submission_key: string | null
          submissions_dropped: number
          updated_at: string
          user_agent: string | null
          utm_campaign: string | null
          utm_content: string | null
          utm_medium: string | null
          utm_source: string | null
          utm_term: string | null
        }
        Insert: {
          city?: string | null
          company_name?: string | null
          country_code?: string | null
          created_at?: string
          deleted_at?: string | null
          email: string
          email_domain: string
          email_normalized: string
          first_name?: string | null
          first_touch?: NonNullable<Json>
          id?: string
          interested_features?: string[]
          is_spam?: boolean
          landing_page?: string | null
          last_name?: string | null
          last_touch?: NonNullable<Json>
          metadata?: NonNullable<Json>
          network?: unknown
          notes?: string | null
          opt_in_status?: string
          opted_in_at?: string | null
          phone_number?: string | null
          referrer?: string | null
          region?: string | null
          source?: string
          spam_reason?: string | null
          spam_score?: number
          status?: string
          submission_count?: number
          submission_key?: string | null
          submissions_dropped?: number
          updated_at?: string
          user_agent?: string | null
          utm_campaign?: string | null
          utm_content?: string | null
          utm_medium?: string | null
          utm_source?: string | null
          utm_term?: string | null
        }
        Update: {
          city?: string | null
          company_name?: string | null
          country_code?: string | null
          created_at?: string
          deleted_at?: string | null
          email?: string
          email_domain?: string
          email_normalized?: string
          first_name?: string | null
          first_touch?: NonNullable<Json>
          id?: string
          interested_features?: string[]
          is_spam?: boolean
          landing_page?: string | null
          last_name?: string | null
          last_touch?: NonNullable<Json>
          metadata?: NonNullable<Json>
          network?: unknown
          notes?: string | null
          opt_in_status?: string
          opted_in_at?: string | null
          phone_number?: string | null
          referrer?: string | null
          region?: string | null
          source?: string
          spam_reason?: string | null
          spam_score?: number
          status?: string
          submission_count?: number
          submission_key?: string | null
          submissions_dropped?: number
          updated_at?: string
          user_agent?: string | null
          utm_campaign?: string | null
          utm_content?: string | null
          utm_medium?: string | null
          utm_source?: string | null
          utm_term?: string | null
        }
        Relationships: []
      }
    }
    Views: {
      leads_csv: {
        Row: {
          cells: string[] | null
          city: string | null
          company_name: string | null
          country_code: string | null
          created_at: string | null
          deleted_at: string | null
          email: string | null
          email_domain: string | null
          email_normalized: string | null
          first_name: string | null
          first_touch: Json | null
          id: string | null
          interested_features: string[] | null
          is_spam: boolean | null
          landing_page: string | null
          last_name: string | null
          last_touch: Json | null
          metadata: Json | null
          network: unknown
          notes: string | null
          opt_in_status: string | null
          opted_in_at: string | null
          phone_number: string | null
          referrer: string | null
          region: string | null
          source: string | null
          spam_reason: string | null
          spam_score: number | null
          status: string | null
          submission_count: number | null
          submission_key: string | null
          submissions_dropped: number | null
          updated_at: string | null
          user_agent: string | null
          utm_campaign: string | null
          utm_content: string | null
          utm_medium: string | null
          utm_source: string | null
          utm_term: string | null
        }
        Insert: {
          cells?: never
          city?: string | null
          company_name?: string | null
          country_code?: string | null
          created_at?: string | null
          deleted_at?: string | null
          email?: string | null
          email_domain?: string | null
          email_normalized?: string | null
          first_name?: string | null
          first_touch?: Json | null
          id?: string | null
          interested_features?: string[] | null
          is_spam?: boolean | null
          landing_page?: string | null
          last_name?: string | null
          last_touch?: Json | null
          metadata?: Json | null
          network?: unknown
          notes?: string | null
          opt_in_status?: string | null
          opted_in_at?: string | null
          phone_number?: string | null
          referrer?: string | null
          region?: string | null
          source?: string | null
          spam_reason?: string | null
          spam_score?: number | null
          status?: string | null
          submission_count?: number | null
          submission_key?: string | null
          submissions_dropped?: number | null
          updated_at?: string | null
          user_agent?: string | null
          utm_campaign?: string | null
          utm_content?: string | null
          utm_medium?: string | null
          utm_source?: string | null
          utm_term?: string | null
        }
        Update: {
          cells?: never
          city?: string | null
          company_name?: string | null
          country_code?: string | null
          created_at?: string | null
          deleted_at?: string | null
          email?: string | null
          email_domain?: string | null
          email_normalized?: string | null
          first_name?: string | null
          first_touch?: Json | null
          id?: string | null
          interested_features?: string[] | null
          is_spam?: boolean | null
          landing_page?: string | null
          last_name?: string | null
          last_touch?: Json | null
          metadata?: Json | null
          network?: unknown
          notes?: string | null
          opt_in_status?: string | null
          opted_in_at?: string | null
          phone_number?: string | null
          referrer?: string | null
          region?: string | null
          source?: string | null
          spam_reason?: string | null
          spam_score?: number | null
          status?: string | null
          submission_count?: number | null
          submission_key?: string | null
          submissions_dropped?: number | null
          updated_at?: string | null
          user_agent?: string | null
          utm_campaign?: string | null
          utm_content?: string | null
          utm_medium?: string | null
          utm_source?: string | null
          utm_term?: string | null
        }
        Relationships: []
      }
    }
    Functions: {
      address_lock: { Args: { email_normalized: string }; Returns: number }
      capture_lead: { Args: { lead: Json }; Returns: Json }
      cleanup_old_data: { Args: Record<PropertyKey, never>; Returns: number }
      confirm_lead: { Args: { token: string }; Returns: Json }
      confirmation_token: {
        Args: {
          expires_at: string
          lead: Database["marketing"]["Tables"]["leads"]["Row"]
        }
        Returns: string
      }
      gdpr_delete_user_data: {
        Args: { email: string; mentions?: boolean; phones?: string[] }
        Returns: Json
      }
      gdpr_export_user_data: {
        Args: { email: string; phones?: string[] }
        Returns: Json
      }
      lead_consents: { Args: { lead: Json }; Returns: boolean }
      lead_features: { Args: { sent: Json }; Returns: string[] }
      lead_field_names: { Args: Record<PropertyKey, never>; Returns: string[] }
      lead_metadata: { Args: { lead: Json }; Returns: Json }
      lead_sources: { Args: Record<PropertyKey, never>; Returns: string[] }
      leads_of_company: {
        Args: { most?: number; name: string }
        Returns: {
          city: string | null
          company_name: string | null
          country_code: string | null
          created_at: string
          deleted_at: string | null
          email: string
          email_domain: string
          email_normalized: string
          first_name: string | null
          first_touch: NonNullable<Json>
          id: string
          interested_features: string[]
          is_spam: boolean
          landing_page: string | null
          last_name: string | null
          last_touch: NonNullable<Json>
          metadata: NonNullable<Json>
          network: unknown
          notes: string | null
          opt_in_status: string
          opted_in_at: string | null
          phone_number: string | null
          referrer: string | null
          region: string | null
          source: string
          spam_reason: string | null
          spam_score: number
          status: string
          submission_count: number
          submission_key: string | null
          submissions_dropped: number
          updated_at: string
          user_agent: string | null
          utm_campaign: string | null
          utm_content: string | null
          utm_medium: string | null
          utm_source: string | null
          utm_term: string | null
        }[]
        SetofOptions: {
          from: "*"
          to: "leads"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      merge_lead: {
        Args: {
          draft: Database["marketing"]["Tables"]["leads"]["Row"]
          id: string
          known_reason: string
          known_spam: boolean
          lead: Json
        }
        Returns: undefined
      }
      only_admins: { Args: Record<PropertyKey, never>; Returns: boolean }
      pending_confirmations: {
        Args: { again_after?: string; most?: number }
        Returns: {
          email: string
          expires_at: string
          first_name: string
          lead_id: string
          requested_at: string
          token: string
        }[]
      }
      refuse_no_text: { Args: { field: string }; Returns: undefined }
      renew_confirmation: { Args: { lead_id: string }; Returns: undefined }
      sent_fields: { Args: { lead: Json }; Returns: Json }
      store_submission: {
        Args: {
          draft: Database["marketing"]["Tables"]["leads"]["Row"]
          lead: Json
          lead_id: string
        }
        Returns: undefined
      }
      submissions_today: {
        Args: { are_spam: boolean; lead_id: string }
        Returns: number
      }
      text_of: { Args: { sent: Json }; Returns: string }
      with_single_texts: { Args: { lead: Json }; Returns: Json }
    }
    Enums: {
      [_ in never]: never
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
  observatory: {
    Tables: {
      activity_rollups: {
        Row: {
          day: string
          errors: number
          hour: number
          messages: number
          project_id: string
          prompts: number
          raw_tokens: number
          sessions: number
          tool_calls: number
          user_id: string
        }
        Insert: {
          day: string
          errors: number
          hour: number
          messages: number
          project_id: string
          prompts: number
          raw_tokens: number
          sessions: number
          tool_calls: number
          user_id: string
        }
        Update: {
          day?: string
          errors?: number
          hour?: number
          messages?: number
          project_id?: string
          prompts?: number
          raw_tokens?: number
          sessions?: number
          tool_calls?: number
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "activity_rollups_project"
            columns: ["project_id"]
            isOneToOne: false
            referencedRelation: "projects"
            referencedColumns: ["id"]
          },
        ]
      }
      conversations: {
        Row: {
          agent_id: string | null
          cache_creation_tokens: number
          cache_read_tokens: number
          cli_version: string | null
          cost_micro_usd: number | null
          created_at: string
          cwd: string | null
          deleted_at: string | null
          ended_at: string | null
          forked_from: string | null
          git_branch: string | null
          id: string
          input_tokens: number
          is_unplaced: boolean
          last_message_at: string | null
          live: NonNullable<Json>
          live_since: string | null
          message_count: number
          metadata: NonNullable<Json>
          missing_agents: number
          model: string | null
          output_tokens: number
          owner_id: string
          parent_conversation_id: string | null
          project_id: string
          raw_tokens: number
          session_id: string
          source: string
          source_path: string | null
          started_at: string | null
          status: string
          title: string | null
          title_source: string | null
          tool_call_count: number
          unpriced: number
          updated_at: string
        }
        Insert: {
          agent_id?: string | null
          cache_creation_tokens?: number
          cache_read_tokens?: number
          cli_version?: string | null
          cost_micro_usd?: number | null
          created_at?: string
          cwd?: string | null
          deleted_at?: string | null
          ended_at?: string | null
          forked_from?: string | null
          git_branch?: string | null
          id?: string
          input_tokens?: number
          is_unplaced?: boolean
          last_message_at?: string | null
          live?: NonNullable<Json>
          live_since?: string | null
          message_count?: number
          metadata?: NonNullable<Json>
          missing_agents?: number
          model?: string | null
          output_tokens?: number
          owner_id?: string
          parent_conversation_id?: string | null
          project_id: string
          raw_tokens?: number
          session_id: string
          source?: string
          source_path?: string | null
          started_at?: string | null
          status?: string
          title?: string | null
          title_source?: string | null
          tool_call_count?: number
          unpriced?: number
          updated_at?: string
        }
        Update: {
          agent_id?: string | null
          cache_creation_tokens?: number
          cache_read_tokens?: number
          cli_version?: string | null
          cost_micro_usd?: number | null
          created_at?: string
          cwd?: string | null
          deleted_at?: string | null
          ended_at?: string | null
          forked_from?: string | null
          git_branch?: string | null
          id?: string
          input_tokens?: number
          is_unplaced?: boolean
          last_message_at?: string | null
          live?: NonNullable<Json>
          live_since?: string | null
          message_count?: number
          metadata?: NonNullable<Json>
          missing_agents?: number
          model?: string | null
          output_tokens?: number
          owner_id?: string
          parent_conversation_id?: string | null
          project_id?: string
          raw_tokens?: number
          session_id?: string
          source?: string
          source_path?: string | null
          started_at?: string | null
          status?: string
          title?: string | null
          title_source?: string | null
          tool_call_count?: number
          unpriced?: number
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: "conversations_parent"
            columns: ["parent_conversation_id", "project_id"]
            isOneToOne: false
            referencedRelation: "conversations"
            referencedColumns: ["id", "project_id"]
          },
          {
            foreignKeyName: "conversations_project"
            columns: ["project_id"]
            isOneToOne: false
            referencedRelation: "projects"
            referencedColumns: ["id"]
          },
        ]
      }
      daily_rollups: {
        Row: {
          cache_creation_tokens: number
          cache_read_tokens: number
          cost_micro_usd: number | null
          day: string
          input_tokens: number
          model: string
          output_tokens: number
          project_id: string
          requests: number
          source: string
          unpriced: number
          user_id: string
          web_searches: number
        }
        Insert: {
          cache_creation_tokens: number
          cache_read_tokens: number
          cost_micro_usd?: number | null
          day: string
          input_tokens: number
          model: string
          output_tokens: number
          project_id: string
          requests: number
          source: string
          unpriced: number
          user_id: string
          web_searches: number
        }
        Update: {
          cache_creation_tokens?: number
          cache_read_tokens?: number
          cost_micro_usd?: number | null
          day?: string
          input_tokens?: number
          model?: string
          output_tokens?: number
          project_id?: string
          requests?: number
          source?: string
          unpriced?: number
          user_id?: string
          web_searches?: number
        }
        Relationships: [
          {
            foreignKeyName: "daily_rollups_project"
            columns: ["project_id"]
            isOneToOne: false
            referencedRelation: "projects"
            referencedColumns: ["id"]
          },
        ]
      }
      git_links: {
        Row: {
          at: string
          branch: string | null
          conversation_id: string
          created_at: string
          id: string
          kind: string
          number: number | null
          project_id: string
          sha: string | null
          tool_call_id: string | null
          url: string | null
        }
        Insert: {
          at?: string
          branch?: string | null
          conversation_id: string
          created_at?: string
          id?: string
          kind: string
          number?: number | null
          project_id: string
          sha?: string | null
          tool_call_id?: string | null
          url?: string | null
        }
        Update: {
          at?: string
          branch?: string | null
          conversation_id?: string
          created_at?: string
          id?: string
          kind?: string
          number?: number | null
          project_id?: string
          sha?: string | null
          tool_call_id?: string | null
          url?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "git_links_conversation"
            columns: ["conversation_id", "project_id"]
            isOneToOne: false
            referencedRelation: "conversations"
            referencedColumns: ["id", "project_id"]
          },
          {
            foreignKeyName: "git_links_tool_call"
            columns: ["tool_call_id"]
            isOneToOne: false
            referencedRelation: "tool_calls"
            referencedColumns: ["id"]
          },
        ]
      }
      hook_events: {
        Row: {
          agent_id: string | null
          applied_at: string | null
          at: string
          attempts: number
          conversation_id: string | null
          event: string
          failure: string | null
          id: string
          owner_id: string
          payload: NonNullable<Json>
          project_id: string | null
          prompt_id: string | null
          redaction_count: number
          session_id: string
          tool_use_id: string | null
        }
        Insert: {
          agent_id?: string | null
          applied_at?: string | null
          at?: string
          attempts?: number
          conversation_id?: string | null
          event: string
          failure?: string | null
          id?: string
          owner_id: string
          payload?: NonNullable<Json>
          project_id?: string | null
          prompt_id?: string | null
          redaction_count?: number
          session_id: string
          tool_use_id?: string | null
        }
        Update: {
          agent_id?: string | null
          applied_at?: string | null
          at?: string
          attempts?: number
          conversation_id?: string | null
          event?: string
          failure?: string | null
          id?: string
          owner_id?: string
          payload?: NonNullable<Json>
          project_id?: string | null
          prompt_id?: string | null
          redaction_count?: number
          session_id?: string
          tool_use_id?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "hook_events_conversation"
            columns: ["conversation_id", "project_id"]
            isOneToOne: false
            referencedRelation: "conversations"
            referencedColumns: ["id", "project_id"]
          },
        ]
      }
      ingest_files: {
        Row: {
          agent_id: string | null
          byte_offset: number
          conversation_id: string
          created_at: string
          errors: NonNullable<Json>
          generation: number
          head_hash: string | null
          id: string
          line_no: number
          lines: number
          name: string
          owner_id: string
          path: string
          project_id: string
          reader_state: Json | null
          session_id: string
          skipped: NonNullable<Json>
          source: string
          updated_at: string
          variant: number
          is_own: boolean | null
        }
        Insert: {
          agent_id?: string | null
          byte_offset?: number
          conversation_id: string
          created_at?: string
          errors?: NonNullable<Json>
          generation?: number
          head_hash?: string | null
          id?: string
          line_no?: number
          lines?: number
          name: string
          owner_id: string
          path: string
          project_id: string
          reader_state?: Json | null
          session_id: string
          skipped?: NonNullable<Json>
          source: string
          updated_at?: string
          variant?: number
        }
        Update: {
          agent_id?: string | null
          byte_offset?: number
          conversation_id?: string
          created_at?: string
          errors?: NonNullable<Json>
          generation?: number
          head_hash?: string | null
          id?: string
          line_no?: number
          lines?: number
          name?: string
          owner_id?: string
          path?: string
          project_id?: string
          reader_state?: Json | null
          session_id?: string
          skipped?: NonNullable<Json>
          source?: string
          updated_at?: string
          variant?: number
        }
        Relationships: [
          {
            foreignKeyName: "ingest_files_conversation"
            columns: ["conversation_id", "project_id"]
            isOneToOne: false
            referencedRelation: "conversations"
            referencedColumns: ["id", "project_id"]
          },
        ]
      }
      messages: {
        Row: {
          agent_id: string | null
          api_message_id: string | null
          branch: number
          cache_creation_tokens: number
          cache_read_tokens: number
          content: string | null
          content_blocks: Json | null
          conversation_id: string
          created_at: string
          depth: number
          entry_type: string
          entry_uuid: string
          file_id: string | null
          forked_from: string | null
          id: string
          input_tokens: number
          is_copy: boolean
          is_meta: boolean
          is_sidechain: boolean
          metadata: NonNullable<Json>
          model: string | null
          occurred_at: string
          output_tokens: number
          owner_id: string
          parent_id: string | null
          parent_uuid: string | null
          project_id: string
          redaction_count: number
          request_id: string | null
          role: string | null
          seq: number
          stop_reason: string | null
        }
        Insert: {
          agent_id?: string | null
          api_message_id?: string | null
          branch?: number
          cache_creation_tokens?: number
          cache_read_tokens?: number
          content?: string | null
          content_blocks?: Json | null
          conversation_id: string
          created_at?: string
          depth?: number
          entry_type: string
          entry_uuid: string
          file_id?: string | null
          forked_from?: string | null
          id?: string
          input_tokens?: number
          is_copy?: boolean
          is_meta?: boolean
          is_sidechain?: boolean
          metadata?: NonNullable<Json>
          model?: string | null
          occurred_at?: string
          output_tokens?: number
          owner_id?: string
          parent_id?: string | null
          parent_uuid?: string | null
          project_id: string
          redaction_count?: number
          request_id?: string | null
          role?: string | null
          seq?: number
          stop_reason?: string | null
        }
        Update: {
          agent_id?: string | null
          api_message_id?: string | null
          branch?: number
          cache_creation_tokens?: number
          cache_read_tokens?: number
          content?: string | null
          content_blocks?: Json | null
          conversation_id?: string
          created_at?: string
          depth?: number
          entry_type?: string
          entry_uuid?: string
          file_id?: string | null
          forked_from?: string | null
          id?: string
          input_tokens?: number
          is_copy?: boolean
          is_meta?: boolean
          is_sidechain?: boolean
          metadata?: NonNullable<Json>
          model?: string | null
          occurred_at?: string
          output_tokens?: number
          owner_id?: string
          parent_id?: string | null
          parent_uuid?: string | null
          project_id?: string
          redaction_count?: number
          request_id?: string | null
          role?: string | null
          seq?: number
          stop_reason?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "messages_conversation"
            columns: ["conversation_id", "project_id"]
            isOneToOne: false
            referencedRelation: "conversations"
            referencedColumns: ["id", "project_id"]
          },
          {
            foreignKeyName: "messages_parent"
            columns: ["parent_id"]
            isOneToOne: false
            referencedRelation: "messages"
            referencedColumns: ["id"]
          },
        ]
      }
      notices: {
        Row: {
          created_at: string
          dedupe_key: string
          details: NonNullable<Json>
          id: string
          kind: string
          read_at: string | null
          title: string
          user_id: string
        }
        Insert: {
          created_at?: string
          dedupe_key: string
          details?: NonNullable<Json>
          id?: string
          kind: string
          read_at?: string | null
          title: string
          user_id: string
        }
        Update: {
          created_at?: string
          dedupe_key?: string
          details?: NonNullable<Json>
          id?: string
          kind?: string
          read_at?: string | null
          title?: string
          user_id?: string
        }
        Relationships: []
      }
      project_invitations: {
        Row: {
          accepted_at: string | null
          created_at: string
          declined_at: string | null
          email_key: string | null
          expires_at: string
          id: string
          invited_by: string
          project_id: string
          role: string
          user_id: string | null
        }
        Insert: {
          accepted_at?: string | null
          created_at?: string
          declined_at?: string | null
          email_key?: string | null
          expires_at?: string
          id?: string
          invited_by: string
          project_id: string
          role: string
          user_id?: string | null
        }
        Update: {
          accepted_at?: string | null
          created_at?: string
          declined_at?: string | null
          email_key?: string | null
          expires_at?: string
          id?: string
          invited_by?: string
          project_id?: string
          role?: string
          user_id?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "project_invitations_project"
            columns: ["project_id"]
            isOneToOne: false
            referencedRelation: "projects"
            referencedColumns: ["id"]
          },
        ]
      }
      project_members: {
        Row: {
          added_by: string | null
          created_at: string
          display_name: string | null
          id: string
          project_id: string
          role: string
          user_id: string
        }
        Insert: {
          added_by?: string | null
          created_at?: string
          display_name?: string | null
          id?: string
          project_id: string
          role: string
          user_id: string
        }
        Update: {
          added_by?: string | null
          created_at?: string
          display_name?: string | null
          id?: string
          project_id?: string
          role?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "project_members_project"
            columns: ["project_id"]
            isOneToOne: false
            referencedRelation: "projects"
            referencedColumns: ["id"]
          },
        ]
      }
      project_paths: {
        Row: {
          created_at: string
          id: string
          owner_id: string
          path: string
          project_id: string
        }
        Insert: {
          created_at?: string
          id?: string
          owner_id?: string
          path: string
          project_id: string
        }
        Update: {
          created_at?: string
          id?: string
          owner_id?: string
          path?: string
          project_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "project_paths_project"
            columns: ["project_id"]
            isOneToOne: false
            referencedRelation: "projects"
            referencedColumns: ["id"]
          },
        ]
      }
      projects: {
        Row: {
          created_at: string
          deleted_at: string | null
          description: string | null
          id: string
          is_active: boolean
          last_activity_at: string
          metadata: NonNullable<Json>
          name: string
          owner_id: string
          root_path: string | null
          settings: NonNullable<Json>
          updated_at: string
        }
        Insert: {
          created_at?: string
          deleted_at?: string | null
          description?: string | null
          id?: string
          is_active?: boolean
          last_activity_at?: string
          metadata?: NonNullable<Json>
          name: string
          owner_id?: string
          root_path?: string | null
          settings?: NonNullable<Json>
          updated_at?: string
        }
        Update: {
          created_at?: string
          deleted_at?: string | null
          description?: string | null
          id?: string
          is_active?: boolean
          last_activity_at?: string
          metadata?: NonNullable<Json>
          name?: string
          owner_id?: string
          root_path?: string | null
          settings?: NonNullable<Json>
          updated_at?: string
        }
        Relationships: []
      }
      search_history: {
        Row: {
          at: string
          filters: NonNullable<Json>
          id: string
          opened_at: string | null
          opened_message_id: string | null
          opened_project_id: string | null
          project_id: string | null
          query: string
          results: number
          user_id: string
        }
        Insert: {
          at?: string
          filters?: NonNullable<Json>
          id?: string
          opened_at?: string | null
          opened_message_id?: string | null
          opened_project_id?: string | null
          project_id?: string | null
          query: string
          results: number
          user_id: string
        }
        Update: {
          at?: string
          filters?: NonNullable<Json>
          id?: string
          opened_at?: string | null
          opened_message_id?: string | null
          opened_project_id?: string | null
          project_id?: string | null
          query?: string
          results?: number
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "search_history_message"
            columns: ["opened_message_id"]
            isOneToOne: false
            referencedRelation: "messages"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "search_history_project"
            columns: ["project_id"]
            isOneToOne: false
            referencedRelation: "projects"
            referencedColumns: ["id"]
          },
        ]
      }
      search_terms: {
        Row: {
          folded: string
          id: string
          kind: string
          project_id: string
          term: string
          user_id: string
          uses: number
        }
        Insert: {
          folded?: never
          id?: string
          kind: string
          project_id: string
          term: string
          user_id: string
          uses?: number
        }
        Update: {
          folded?: never
          id?: string
          kind?: string
          project_id?: string
          term?: string
          user_id?: string
          uses?: number
        }
        Relationships: [
          {
            foreignKeyName: "search_terms_project"
            columns: ["project_id"]
            isOneToOne: false
            referencedRelation: "projects"
            referencedColumns: ["id"]
          },
        ]
      }
      session_files: {
        Row: {
          bytes: number
          content: string
          conversation_id: string
          created_at: string
          id: string
          kind: string
          owner_id: string
          path: string
          project_id: string
          redactions: number
          session_id: string
          updated_at: string
          is_own: boolean | null
        }
        Insert: {
          bytes: number
          content: string
          conversation_id: string
          created_at?: string
          id?: string
          kind: string
          owner_id: string
          path: string
          project_id: string
          redactions?: number
          session_id: string
          updated_at?: string
        }
        Update: {
          bytes?: number
          content?: string
          conversation_id?: string
          created_at?: string
          id?: string
          kind?: string
          owner_id?: string
          path?: string
          project_id?: string
          redactions?: number
          session_id?: string
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: "session_files_conversation"
            columns: ["conversation_id", "project_id"]
            isOneToOne: false
            referencedRelation: "conversations"
            referencedColumns: ["id", "project_id"]
          },
        ]
      }
      share_links: {
        Row: {
          conversation_id: string
          created_at: string
          created_by: string
          expires_at: string
          hide: string[]
          id: string
          include_later: boolean
          project_id: string
          revoked_at: string | null
          title: string | null
          view_count: number | null
        }
        Insert: {
          conversation_id: string
          created_at?: string
          created_by: string
          expires_at: string
          hide?: string[]
          id?: string
          include_later?: boolean
          project_id: string
          revoked_at?: string | null
          title?: string | null
        }
        Update: {
          conversation_id?: string
          created_at?: string
          created_by?: string
          expires_at?: string
          hide?: string[]
          id?: string
          include_later?: boolean
          project_id?: string
          revoked_at?: string | null
          title?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "share_links_conversation"
            columns: ["conversation_id", "project_id"]
            isOneToOne: false
            referencedRelation: "conversations"
            referencedColumns: ["id", "project_id"]
          },
        ]
      }
      tool_calls: {
        Row: {
          completed_at: string | null
          conversation_id: string
          created_at: string
          duration_ms: number | null
          duration_source: string | null
          error_message: string | null
          file_path: string | null
          id: string
          input: Json | null
          is_copy: boolean
          is_error: boolean
          message_id: string | null
          metadata: NonNullable<Json>
          output: string | null
          output_truncated: boolean
          owner_id: string
          project_id: string
          spawned_agent_id: string | null
          started_at: string | null
          status: string
          tool_name: string
          tool_use_id: string
          updated_at: string
        }
        Insert: {
          completed_at?: string | null
          conversation_id: string
          created_at?: string
          duration_ms?: number | null
          duration_source?: string | null
          error_message?: string | null
          file_path?: string | null
          id?: string
          input?: Json | null
          is_copy?: boolean
          is_error?: boolean
          message_id?: string | null
          metadata?: NonNullable<Json>
          output?: string | null
          output_truncated?: boolean
          owner_id?: string
          project_id: string
          spawned_agent_id?: string | null
          started_at?: string | null
          status?: string
          tool_name: string
          tool_use_id: string
          updated_at?: string
        }
        Update: {
          completed_at?: string | null
          conversation_id?: string
          created_at?: string
          duration_ms?: number | null
          duration_source?: string | null
          error_message?: string | null
          file_path?: string | null
          id?: string
          input?: Json | null
          is_copy?: boolean
          is_error?: boolean
          message_id?: string | null
          metadata?: NonNullable<Json>
          output?: string | null
          output_truncated?: boolean
          owner_id?: string
          project_id?: string
          spawned_agent_id?: string | null
          started_at?: string | null
          status?: string
          tool_name?: string
          tool_use_id?: string
          updated_at?: string
        }
        Relationships: [
          {
            foreignKeyName: "tool_calls_conversation"
            columns: ["conversation_id", "project_id"]
            isOneToOne: false
            referencedRelation: "conversations"
            referencedColumns: ["id", "project_id"]
          },
          {
            foreignKeyName: "tool_calls_message"
            columns: ["message_id"]
            isOneToOne: false
            referencedRelation: "messages"
            referencedColumns: ["id"]
          },
        ]
      }
      tool_rollups: {
        Row: {
          buckets: number[]
          calls: number
          day: string
          duration_ms: number
          errors: number
          project_id: string
          timed: number
          tool_name: string
          user_id: string
        }
        Insert: {
          buckets: number[]
          calls: number
          day: string
          duration_ms: number
          errors: number
          project_id: string
          timed: number
          tool_name: string
          user_id: string
        }
        Update: {
          buckets?: number[]
          calls?: number
          day?: string
          duration_ms?: number
          errors?: number
          project_id?: string
          timed?: number
          tool_name?: string
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "tool_rollups_project"
            columns: ["project_id"]
            isOneToOne: false
            referencedRelation: "projects"
            referencedColumns: ["id"]
          },
        ]
      }
      usage_records: {
        Row: {
          api_message_id: string
          cache_creation_1h_tokens: number
          cache_creation_5m_tokens: number
          cache_read_tokens: number
          conversation_id: string
          cost_micro_usd: number | null
          created_at: string
          entry_uuid: string
          geo: string
          id: string
          input_tokens: number
          is_sidechain: boolean
          kind: string
          message_id: string | null
          model: string
          occurred_at: string
          output_tokens: number
          owner_id: string
          part: number
          price: Json | null
          priced_at: string | null
          project_id: string
          reported_cost_micro_usd: number | null
          source: string
          total_tokens: number
          variant: string
          web_searches: number
        }
        Insert: {
          api_message_id: string
          cache_creation_1h_tokens?: number
          cache_creation_5m_tokens?: number
          cache_read_tokens?: number
          conversation_id: string
          cost_micro_usd?: number | null
          created_at?: string
          entry_uuid: string
          geo?: string
          id?: string
          input_tokens?: number
          is_sidechain?: boolean
          kind: string
          message_id?: string | null
          model: string
          occurred_at: string
          output_tokens?: number
          owner_id: string
          part?: number
          price?: Json | null
          priced_at?: string | null
          project_id: string
          reported_cost_micro_usd?: number | null
          source: string
          total_tokens?: never
          variant?: string
          web_searches?: number
        }
        Update: {
          api_message_id?: string
          cache_creation_1h_tokens?: number
          cache_creation_5m_tokens?: number
          cache_read_tokens?: number
          conversation_id?: string
          cost_micro_usd?: number | null
          created_at?: string
          entry_uuid?: string
          geo?: string
          id?: string
          input_tokens?: number
          is_sidechain?: boolean
          kind?: string
          message_id?: string | null
          model?: string
          occurred_at?: string
          output_tokens?: number
          owner_id?: string
          part?: number
          price?: Json | null
          priced_at?: string | null
          project_id?: string
          reported_cost_micro_usd?: number | null
          source?: string
          total_tokens?: never
          variant?: string
          web_searches?: number
        }
        Relationships: [
          {
            foreignKeyName: "usage_records_conversation"
            columns: ["conversation_id", "project_id"]
            isOneToOne: false
            referencedRelation: "conversations"
            referencedColumns: ["id", "project_id"]
          },
        ]
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      accept_invitation: { Args: { id: string }; Returns: Json }
      analytics_activity: {
        Args: { from?: string; project?: string; to?: string }
        Returns: Json
      }
      analytics_models: {
        Args: { from?: string; project?: string; to?: string }
        Returns: Json
      }
      analytics_overview: {
        Args: { from?: string; project?: string; to?: string }
        Returns: Json
      }
      analytics_tools: {
        Args: { from?: string; project?: string; to?: string }
        Returns: Json
      }
      analytics_users: {
        Args: { from?: string; project?: string; to?: string }
        Returns: Json
      }
      attach_file: {
        Args: {
          bytes: number
          content: string
          file: string
          project?: string
          redactions: number
          session?: string
        }
        Returns: Json
      }
      audit_heads: {
        Args: { after?: string; known_digest?: string; known_id?: string }
        Returns: Json
      }
      decline_invitation: { Args: { id: string }; Returns: Json }
      delete_conversation: { Args: { id: string }; Returns: Json }
      delete_project: { Args: { id: string }; Returns: Json }
      editable_projects: { Args: Record<PropertyKey, never>; Returns: string[] }
      erase_user: { Args: { user_id: string }; Returns: Json }
      hidden_conversations: {
        Args: Record<PropertyKey, never>
        Returns: string[]
      }
      ingest_batch: {
        Args: {
          base?: number
          end?: number
          file: string
          lines: Json
          offsets: number[]
          project?: string
          redactions: Json
          session?: string
          source?: string
          start?: number
        }
        Returns: Json
      }
      invite: {
        Args: {
          email?: string
          project_id: string
          role: string
          user_id?: string
        }
        Returns: Json
      }
      is_own:
        | {
            Args: {
              ingest_file: Database["observatory"]["Tables"]["ingest_files"]["Row"]
            }
            Returns: boolean
          }
        | {
            Args: {
              session_file: Database["observatory"]["Tables"]["session_files"]["Row"]
            }
            Returns: boolean
          }
      may_seal_audit_head: {
        Args: Record<PropertyKey, never>
        Returns: boolean
      }
      my_invitations: { Args: Record<PropertyKey, never>; Returns: Json }
      owned_projects: { Args: Record<PropertyKey, never>; Returns: string[] }
      reprice: {
        Args: { dry_run?: boolean; list?: string; project: string }
        Returns: Json
      }
      revoke_share: { Args: { id: string }; Returns: Json }
      search: {
        Args: {
          cursor?: string
          limit?: number
          project?: string
          q: string
          role?: string
          since?: string
          tool?: string
          until?: string
        }
        Returns: Json
      }
      search_analytics: { Args: { project: string }; Returns: Json }
      search_opened: {
        Args: { message_id: string; search_id: string }
        Returns: Json
      }
      share: {
        Args: {
          expires_in_days?: number
          hide?: Json
          id: string
          include_later?: boolean
          title?: string
        }
        Returns: Json
      }
      shared: {
        Args: { after?: string; agent?: string; token: string }
        Returns: Json
      }
      similar: { Args: { limit?: number; message_id: string }; Returns: Json }
      suggest: {
        Args: { limit?: number; project?: string; q: string }
        Returns: Json
      }
      take_hook: {
        Args: { event: Json; redactions?: number }
        Returns: boolean
      }
      take_otel: { Args: { request: Json }; Returns: Json }
      thread: {
        Args: { cursor?: string; id: string; limit?: number }
        Returns: Json
      }
      transcript_page: {
        Args: { after?: Json; file?: string; id: string }
        Returns: Json
      }
      unchecked_words: { Args: Record<PropertyKey, never>; Returns: string[] }
      verify_audit: { Args: { id: string }; Returns: Json }
      view_count: {
        Args: { link: Database["observatory"]["Tables"]["share_links"]["Row"] }
        Returns: number
      }
      visible_projects: { Args: Record<PropertyKey, never>; Returns: string[] }
    }
    Enums: {
      [_ in never]: never
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
  onboarding: {
    Tables: {
      sessions: {
        Row: {
          abandoned_at: string | null
          bot_config: NonNullable<Json>
          bot_setup_completed_at: string | null
          business_data: NonNullable<Json>
          business_info_completed_at: string | null
          completed_at: string | null
          created_at: string
          current_step: string
          id: string
          last_activity_at: string
          lead_id: string | null
          network: unknown
          progress_percentage: number
          session_token_hash: string
          started_at: string
          status: string
          testing_completed_at: string | null
          updated_at: string
          user_agent: string | null
          whatsapp_config: NonNullable<Json>
          whatsapp_integration_completed_at: string | null
          progress_of: Json | null
        }
        Insert: {
          abandoned_at?: string | null
          bot_config?: NonNullable<Json>
          bot_setup_completed_at?: string | null
          business_data?: NonNullable<Json>
          business_info_completed_at?: string | null
          completed_at?: string | null
          created_at?: string
          current_step?: never
          id?: string
          last_activity_at?: string
          lead_id?: string | null
          network?: unknown
          progress_percentage?: never
          session_token_hash: string
          started_at?: string
          status?: string
          testing_completed_at?: string | null
          updated_at?: string
          user_agent?: string | null
          whatsapp_config?: NonNullable<Json>
          whatsapp_integration_completed_at?: string | null
        }
        Update: {
          abandoned_at?: string | null
          bot_config?: NonNullable<Json>
          bot_setup_completed_at?: string | null
          business_data?: NonNullable<Json>
          business_info_completed_at?: string | null
          completed_at?: string | null
          created_at?: string
          current_step?: never
          id?: string
          last_activity_at?: string
          lead_id?: string | null
          network?: unknown
          progress_percentage?: never
          session_token_hash?: string
          started_at?: string
          status?: string
          testing_completed_at?: string | null
          updated_at?: string
          user_agent?: string | null
          whatsapp_config?: NonNullable<Json>
          whatsapp_integration_completed_at?: string | null
        }
        Relationships: []
      }
      step_activities: {
        Row: {
          activity_type: string
          created_at: string
          error_message: string | null
          field_name: string | null
          field_value: string | null
          id: string
          metadata: NonNullable<Json>
          session_id: string
          step: string
          time_spent_seconds: number | null
        }
        Insert: {
          activity_type: string
          created_at?: string
          error_message?: string | null
          field_name?: string | null
          field_value?: string | null
          id?: string
          metadata?: NonNullable<Json>
          session_id: string
          step: string
          time_spent_seconds?: number | null
        }
        Update: {
          activity_type?: string
          created_at?: string
          error_message?: string | null
          field_name?: string | null
          field_value?: string | null
          id?: string
          metadata?: NonNullable<Json>
          session_id?: string
          step?: string
          time_spent_seconds?: number | null
        }
        Relationships: [
          {
            foreignKeyName: "step_activities_session"
            columns: ["session_id"]
            isOneToOne: false
            referencedRelation: "sessions"
            referencedColumns: ["id"]
          },
        ]
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      abandon_inactive_sessions: {
        Args: Record<PropertyKey, never>
        Returns: number
      }
      activity: {
        Args: { activity: Json; session_token: string }
        Returns: Json
      }
      activity_row: {
        Args: {
          form: Json
          place: string
          session: Database["onboarding"]["Tables"]["sessions"]["Row"]
        }
        Returns: {
          activity_type: string
          created_at: string
          error_message: string | null
          field_name: string | null
          field_value: string | null
          id: string
          metadata: NonNullable<Json>
          session_id: string
          step: string
          time_spent_seconds: number | null
        }
        SetofOptions: {
          from: "*"
          to: "step_activities"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      check_form: {
        Args: { form: Json; known: string[]; place?: string }
        Returns: undefined
      }
      merged_data: {
        Args: { column_name: string; data: Json; known: Json }
        Returns: Json
      }
      names_secret: { Args: { name: string }; Returns: boolean }
      progress: { Args: { session_token: string }; Returns: Json }
      progress_of: {
        Args: { session: Database["onboarding"]["Tables"]["sessions"]["Row"] }
        Returns: Json
      }
      redacted: { Args: { words: string }; Returns: string }
      refuse_field: {
        Args: { hint: string; message: string; place: string }
        Returns: undefined
      }
      session_of: {
        Args: { to_change: boolean; token: string }
        Returns: {
          abandoned_at: string | null
          bot_config: NonNullable<Json>
          bot_setup_completed_at: string | null
          business_data: NonNullable<Json>
          business_info_completed_at: string | null
          completed_at: string | null
          created_at: string
          current_step: string
          id: string
          last_activity_at: string
          lead_id: string | null
          network: unknown
          progress_percentage: number
          session_token_hash: string
          started_at: string
          status: string
          testing_completed_at: string | null
          updated_at: string
          user_agent: string | null
          whatsapp_config: NonNullable<Json>
          whatsapp_integration_completed_at: string | null
        }
        SetofOptions: {
          from: "*"
          to: "sessions"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      start: { Args: { session: Json }; Returns: Json }
      step: { Args: { change: Json; session_token: string }; Returns: Json }
      step_field: {
        Args: { allowed: string[]; form: Json; place?: string }
        Returns: string
      }
      steps: { Args: Record<PropertyKey, never>; Returns: string[] }
      text_field: {
        Args: { field: string; form: Json; most: number; place?: string }
        Returns: string
      }
    }
    Enums: {
      [_ in never]: never
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
  whatsapp: {
    Tables: {
      accounts: {
        Row: {
          business_account_id: string
          created_at: string
          display_name: string | null
          id: string
          is_active: boolean
          is_verified: boolean
          last_message_sent_at: string | null
          last_webhook_at: string | null
          lead_id: string | null
          messages_limit_daily: number | null
          messages_sent_today: number
          messaging_limit_tier: string | null
          name_status: string | null
          owner_id: string
          phone_number: string
          phone_number_id: string
          quality_rating: string | null
          throughput_level: string | null
          updated_at: string
          verification_status: string | null
          webhook_verify_token_hash: string | null
        }
        Insert: {
          business_account_id: string
          created_at?: string
          display_name?: string | null
          id?: string
          is_active?: boolean
          is_verified?: boolean
          last_message_sent_at?: string | null
          last_webhook_at?: string | null
          lead_id?: string | null
          messages_limit_daily?: number | null
          messages_sent_today?: number
          messaging_limit_tier?: string | null
          name_status?: string | null
          owner_id?: string
          phone_number: string
          phone_number_id: string
          quality_rating?: string | null
          throughput_level?: string | null
          updated_at?: string
          verification_status?: string | null
          webhook_verify_token_hash?: string | null
        }
        Update: {
          business_account_id?: string
          created_at?: string
          display_name?: string | null
          id?: string
          is_active?: boolean
          is_verified?: boolean
          last_message_sent_at?: string | null
          last_webhook_at?: string | null
          lead_id?: string | null
          messages_limit_daily?: number | null
          messages_sent_today?: number
          messaging_limit_tier?: string | null
          name_status?: string | null
          owner_id?: string
          phone_number?: string
          phone_number_id?: string
          quality_rating?: string | null
          throughput_level?: string | null
          updated_at?: string
          verification_status?: string | null
          webhook_verify_token_hash?: string | null
        }
        Relationships: []
      }
      templates: {
        Row: {
          account_id: string
          body_text: string | null
          buttons: NonNullable<Json>
          category: string | null
          components: NonNullable<Json>
          created_at: string
          footer_text: string | null
          header_content: string | null
          header_type: string | null
          id: string
          language: string
          last_event_at: string | null
          parameter_format: string | null
          previous_category: string | null
          quality_score: string | null
          rejected_reason: string | null
          status: string
          template_name: string
          updated_at: string
          whatsapp_template_id: string | null
        }
        Insert: {
          account_id: string
          body_text?: string | null
          buttons?: NonNullable<Json>
          category?: string | null
          components?: NonNullable<Json>
          created_at?: string
          footer_text?: string | null
          header_content?: string | null
          header_type?: string | null
          id?: string
          language: string
          last_event_at?: string | null
          parameter_format?: string | null
          previous_category?: string | null
          quality_score?: string | null
          rejected_reason?: string | null
          status?: string
          template_name: string
          updated_at?: string
          whatsapp_template_id?: string | null
        }
        Update: {
          account_id?: string
          body_text?: string | null
          buttons?: NonNullable<Json>
          category?: string | null
          components?: NonNullable<Json>
          created_at?: string
          footer_text?: string | null
          header_content?: string | null
          header_type?: string | null
          id?: string
          language?: string
          last_event_at?: string | null
          parameter_format?: string | null
          previous_category?: string | null
          quality_score?: string | null
          rejected_reason?: string | null
          status?: string
          template_name?: string
          updated_at?: string
          whatsapp_template_id?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "templates_account"
            columns: ["account_id"]
            isOneToOne: false
            referencedRelation: "accounts"
            referencedColumns: ["id"]
          },
        ]
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      own_accounts: { Args: Record<PropertyKey, never>; Returns: string[] }
      receive_webhook: { Args: { payload: Json }; Returns: Json }
      remove_access_token: { Args: { account_id: string }; Returns: boolean }
      set_access_token: {
        Args: {
          account_id: string
          key_version: number
          owner_id: string
          sealed: string
        }
        Returns: Json
      }
      verify_token_fits: { Args: { token: string }; Returns: boolean }
    }
    Enums: {
      [_ in never]: never
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
}

type DatabaseWithoutInternals = Omit<Database, "__InternalSupabase">

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, "public">]

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
        DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
      DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])[TableName] extends {
      Row: infer R
    }
    ? R
    : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema["Tables"] &
        DefaultSchema["Views"])
    ? (DefaultSchema["Tables"] &
        DefaultSchema["Views"])[DefaultSchemaTableNameOrOptions] extends {
        Row: infer R
      }
      ? R
      : never
    : never

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Insert: infer I
    }
    ? I
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
        Insert: infer I
      }
      ? I
      : never
    : never

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Update: infer U
    }
    ? U
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
        Update: infer U
      }
      ? U
      : never
    : never

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema["Enums"]
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends (DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"]
    : never) = never,
> = DefaultSchemaEnumNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
    ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
    : never

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends (PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"]
    : never) = never,
> = PublicCompositeTypeNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema["CompositeTypes"]
    ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
    : never

export const Constants = {
  analytics: {
    Enums: {},
  },
  assistant: {
    Enums: {},
  },
  clixen: {
    Enums: {
      agent_type: ["system", "orchestrator", "workflow_designer", "deployment"],
      chat_role: ["user", "assistant", "system"],
    },
  },
  experiments: {
    Enums: {
      assignment_source: ["hash", "override"],
      unit_kind: ["user_id", "session_id"],
    },
  },
  flashfusion: {
    Enums: {},
  },
  marketing: {
    Enums: {},
  },
  observatory: {
    Enums: {},
  },
  onboarding: {
    Enums: {},
  },
  whatsapp: {
    Enums: {},
  },
} as const

